/** `npm run demo` shows what it claims, fails when something is wrong, and leaves nothing behind. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { expect, test } from 'vitest';
import { neutralEnvironment } from '../../launch/options.ts';
import { RUNS, ROOT } from '../../launch/paths.ts';
import { testComponents } from '../harness/components.ts';

type Demo = {
  readonly output: () => string;
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
  untilSays(text: string): Promise<void>;
  interrupt(): void;
};

test('forty donations through the storm: every fault is seen, every cent is right, and nothing is left', async () => {
  const demo = startDemo('--donations', '40', '--seed', '5');
  const code = await demo.ended;
  const text = demo.output();
  expect(text).toContain('It holds.');
  expect(code).toBe(0);
  expect(text).toMatch(/0 discrepancies over 40 donations \(38 captured/);
  expect(text).toContain('each key sent 5 times, 200 answers, 1 charge each');
  for (const fault of ['connection was reset', 'no answer at all', 'lost for good', 'delivered twice'])
    expect(text).toMatch(new RegExp(`✓ +[1-9]\\d* .*${fault}`));
  expect(text).toMatch(/✓ +1 {2}worker killed with -9/);
  expect(text).not.toContain('✗');
  await expectNothingLeft(text);
});

test('one cent taken from a total before the audit makes the demo fail, and the audit names the campaign', async () => {
  const demo = startDemo('--donations', '20', '--sabotage');
  const code = await demo.ended;
  const text = demo.output();
  expect(text).not.toContain('It holds.');
  expect(text).toMatch(/[1-9]\d* discrepanc(?:y|ies) over 20 donations/);
  expect(text).toMatch(/✗ the audit found [1-9]/);
  expect(text).toMatch(/✗ the \w{3} of the four witnesses are not the same/);
  expect(code).toBe(1);
  expect(await databasesOf(nameOf(text))).toEqual([]);
});

test('Ctrl-C in the middle of the storm stops everything and leaves nothing behind', async () => {
  const demo = startDemo('--donations', '150');
  await demo.untilSays('kill -9');
  demo.interrupt();
  expect(await demo.ended).toBe(130);
  expect(demo.output()).toContain('Nothing of the demo is left.');
  await expectNothingLeft(demo.output());
});

function startDemo(...args: string[]): Demo {
  const { postgresUrl, rabbitmqUrl } = testComponents();
  const child = spawn(process.execPath, [join(ROOT, 'launch', 'demo.mjs'), ...args], {
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

async function expectNothingLeft(output: string): Promise<void> {
  const name = nameOf(output);
  expect(existsSync(join(RUNS, name))).toBe(false);
  expect(await databasesOf(name)).toEqual([]);
}

function nameOf(output: string): string {
  const name = /careforall_demo_[0-9a-f]+/.exec(output)?.[0];
  if (name === undefined) throw new Error(`the demo did not say its name:\n${output}`);
  return name;
}

/** Databases and roles. */
async function databasesOf(name: string): Promise<string[]> {
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
