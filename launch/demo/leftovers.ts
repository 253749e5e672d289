/** Names and folders of a run, and what is left of runs that were ended before they could tidy up. */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { dropDatabases } from '../../platform/migrate.ts';
import { claimDatabases } from '../claim.ts';
import { removePrivatePostgres, type PrivatePostgresOptions } from '../components/postgres-private.ts';
import { takeLock } from '../lock.ts';
import { DEMO_RUNS, ensureDirectory } from '../paths.ts';

const PREFIX = 'careforall_demo_';

export type Run = {
  /** Names everything of this run: databases, roles, keys, queues, the Temporal namespace. */
  readonly name: string;
  readonly directory: string;
  /** Names of runs of this checkout that are over; some could not tidy up. */
  readonly endedRuns: readonly string[];
  /** Removes the folder, or all but the logs in it: those stay until the next demo. */
  end(how: { readonly keepLogs: boolean }): void;
};

/** A new name and its folder; folders of runs that have ended are removed. */
export function beginRun(): Run {
  const name = `${PREFIX}${randomBytes(4).toString('hex')}`;
  const directory = ensureDirectory(join(DEMO_RUNS, name));
  const lock = takeLock(lockOf(directory));
  if (!lock.taken) throw new Error(`the new folder ${directory} is taken`);
  return {
    name,
    directory,
    endedRuns: removeEndedRuns(),
    end({ keepLogs }) {
      if (!keepLogs) return remove(directory);
      removePrivatePostgres(throwawayPostgres(directory));
      lock.release();
    },
  };
}

/** Returns their names. */
function removeEndedRuns(): string[] {
  return readdirSync(DEMO_RUNS).filter((name) => {
    const directory = join(DEMO_RUNS, name);
    const isOver = existsSync(directory) && takeLock(lockOf(directory)).taken;
    if (isOver) remove(directory);
    return isOver;
  });
}

function remove(directory: string): void {
  removePrivatePostgres(throwawayPostgres(directory));
  rmSync(directory, { recursive: true, force: true });
}

/** Where the server of a run keeps its data, on a machine that has none to share. */
export function throwawayPostgres(directory: string): PrivatePostgresOptions {
  return {
    dataDir: join(directory, 'postgres'),
    password: 'only-for-this-demo',
    throwaway: true,
    logFile: join(directory, 'postgres.log'),
    pidFile: join(directory, 'postgres.json'),
  };
}

function lockOf(directory: string): string {
  return join(directory, 'run.pid');
}

/** Databases of demos whose process is gone; returns the names of those runs. */
export async function dropForgottenDatabases(adminUrl: string): Promise<string[]> {
  const forgotten: string[] = [];
  for (const name of await runsWithDatabases(adminUrl)) {
    const claim = await claimDatabases(adminUrl, name);
    if (claim === undefined) continue;
    try {
      await dropDatabases({ adminUrl, prefix: name });
      forgotten.push(name);
    } finally {
      await claim.release();
    }
  }
  return forgotten;
}

async function runsWithDatabases(adminUrl: string): Promise<Set<string>> {
  const client = new pg.Client({ connectionString: adminUrl, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(
      'select datname as name from pg_database where starts_with(datname, $1)',
      [PREFIX],
    );
    return new Set(rows.map(({ name }) => name.slice(0, name.lastIndexOf('_'))));
  } finally {
    await client.end();
  }
}
