import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

export const ROOT = dirname(import.meta.dirname);
/** Everything a start keeps or writes, git-ignored. */
export const STATE = join(ROOT, '.careforall');
export const BIN = join(STATE, 'bin');
export const LOGS = join(STATE, 'logs');
/** One record per foreign program that runs, so that a start after kill -9 finds what was left behind. */
export const RUN = join(STATE, 'run');
export const SECRETS_FILE = join(STATE, 'secrets.json');
/** Who is signed in on the command line. */
export const LOGIN_FILE = join(STATE, 'login.json');
export const ENVIRONMENT_FILE = join(STATE, 'environment.json');
export const LOCK_FILE = join(STATE, 'launcher.pid');
export const PROVIDER_LEDGER = join(STATE, 'provider-ledger.jsonl');
export const TEMPORAL_DB = join(STATE, 'temporal.db');
/** Data of the servers that a test run starts for itself; removed when it ends. */
export const TEST_SERVERS = join(STATE, 'test-servers');
export const TEST_LOGS = join(STATE, 'test-logs');
/** One folder per demo, soak or bench that runs, and of the last one of each that failed. */
export const RUNS = join(STATE, 'runs');

/** One folder per soak: samples, table, picture. */
export const SOAK_RESULTS = join(STATE, 'soak');

/** One JSON file per bench. */
export const BENCH_RESULTS = join(STATE, 'bench');

export function ensureDirectory(path: string): string {
  mkdirSync(path, { recursive: true });
  return path;
}
