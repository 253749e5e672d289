/** Names and folders of a run, and what is left of runs that were ended before they could tidy up. */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { dropDatabases } from '../../platform/migrate.ts';
import { claimDatabases } from '../claim.ts';
import { removePrivatePostgres, type PrivatePostgresOptions } from '../components/postgres-private.ts';
import { takeLock } from '../lock.ts';
import { RUNS, ensureDirectory } from '../paths.ts';

/** A platform of its own is set up for each of them. */
export type RunKind = 'demo' | 'soak' | 'bench';

export type Run = {
  readonly kind: RunKind;
  /** Names everything of this run: databases, roles, keys, queues, the Temporal namespace. */
  readonly name: string;
  readonly directory: string;
  /** Names of runs of this kind and checkout that are over; some could not tidy up. */
  readonly endedRuns: readonly string[];
  /** Removes the folder, or all but the logs in it: those stay until the next run of its kind. */
  end(how: { readonly keepLogs: boolean }): void;
};

/** A new name and its folder; folders of runs of that kind that have ended are removed. */
export function beginRun(kind: RunKind): Run {
  const name = `${prefixOf(kind)}${randomBytes(4).toString('hex')}`;
  const directory = ensureDirectory(join(RUNS, name));
  const lock = takeLock(lockOf(directory));
  if (!lock.taken) throw new Error(`the new folder ${directory} is taken`);
  return {
    kind,
    name,
    directory,
    endedRuns: removeEndedRuns(kind),
    end({ keepLogs }) {
      if (!keepLogs) return remove(directory);
      removePrivatePostgres(throwawayPostgres(directory));
      lock.release();
    },
  };
}

/** Returns their names. */
function removeEndedRuns(kind: RunKind): string[] {
  return readdirSync(RUNS).filter((name) => {
    const directory = join(RUNS, name);
    const isOver =
      name.startsWith(prefixOf(kind)) && existsSync(directory) && takeLock(lockOf(directory)).taken;
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
    password: 'only-for-this-run',
    throwaway: true,
    logFile: join(directory, 'postgres.log'),
    pidFile: join(directory, 'postgres.json'),
  };
}

function prefixOf(kind: RunKind): string {
  return `careforall_${kind}_`;
}

function lockOf(directory: string): string {
  return join(directory, 'run.pid');
}

/** Databases of runs of that kind whose process is gone; returns the names of those runs. */
export async function dropForgottenDatabases(adminUrl: string, kind: RunKind): Promise<string[]> {
  const forgotten: string[] = [];
  for (const name of await runsWithDatabases(adminUrl, prefixOf(kind))) {
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

async function runsWithDatabases(adminUrl: string, prefix: string): Promise<Set<string>> {
  const client = new pg.Client({ connectionString: adminUrl, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(
      'select datname as name from pg_database where starts_with(datname, $1)',
      [prefix],
    );
    return new Set(rows.map(({ name }) => name.slice(0, name.lastIndexOf('_'))));
  } finally {
    await client.end();
  }
}
