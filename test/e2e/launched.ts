/** A launcher script as a person starts it, and what must not be left of it. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { expect } from 'vitest';
import { neutralEnvironment } from '../../launch/options.ts';
import { ROOT, RUNS } from '../../launch/paths.ts';
import type { RunKind } from '../../launch/stage/leftovers.ts';
import { testComponents } from '../harness/components.ts';

export type Launched = {
  readonly output: () => string;
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
  untilSays(text: string): Promise<void>;
  interrupt(): void;
};

/** With the servers of this test run. */
export function launch(kind: RunKind, ...args: string[]): Launched {
  const { postgresUrl, rabbitmqUrl } = testComponents();
  const child = spawn(process.execPath, [join(ROOT, 'launch', `${kind}.mjs`), ...args], {
    cwd: ROOT,
    env: {
      ...neutralEnvironment(),
      POSTGRES_URL: postgresUrl,
      ...(rabbitmqUrl === null ? {} : { RABBITMQ_URL: rabbitmqUrl }),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', resolve);
  });
  return {
    output: () => output,
    ended,
    untilSays: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (output.includes(text)) resolve();
        };
        for (const stream of [child.stdout, child.stderr]) stream.on('data', look);
        void ended.then(() => reject(new Error(`it ended without saying "${text}":\n${output}`)));
      }),
    interrupt: () => void child.kill('SIGINT'),
  };
}

/** Neither its folder nor databases or roles of its name. */
export async function expectNothingLeft(output: string): Promise<void> {
  const name = nameOf(output);
  expect(existsSync(join(RUNS, name))).toBe(false);
  expect(await databasesOf(name)).toEqual([]);
}

export function nameOf(output: string): string {
  const name = /careforall_[a-z]+_[0-9a-f]{8}/.exec(output)?.[0];
  if (name === undefined) throw new Error(`it did not say its name:\n${output}`);
  return name;
}

/** Databases and roles. */
export async function databasesOf(name: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: testComponents().postgresUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(
      `SELECT datname AS name FROM pg_database WHERE starts_with(datname, $1)
       UNION SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1)`,
      [name],
    );
    return rows.map((row) => row.name);
  } finally {
    await client.end();
  }
}
