/** The real Nginx with the files of ops/nginx: only addresses are put in the place of names and ports. */
import { copyFileSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '../../launch/find-program.ts';
import { startForeign, tailOf } from '../../launch/foreign-program.ts';
import { ensureDirectory, ROOT } from '../../launch/paths.ts';
import { isListening, LOOPBACK } from '../../launch/ports.ts';
import { StartFailed, untilAnswers } from '../../launch/running.ts';
import { freePorts } from './stack-apis.ts';

const UPSTREAMS = ['auth', 'campaigns', 'donations', 'payments'] as const;
export type Upstream = (typeof UPSTREAMS)[number];
/** `host:port` of every replica. */
export type Upstreams = Readonly<Record<Upstream, readonly string[]>>;

export type DoorPorts = { readonly public: number; readonly operators: number; readonly tls: number };

export type Door = AsyncDisposable & {
  readonly ports: DoorPorts;
  /** Of the public listener. */
  readonly url: string;
  readonly operatorsUrl: string;
  /** What Nginx has written about requests, one line each. */
  log(): string;
  stop(): Promise<void>;
};

/** A port on which nobody listens. */
const NOBODY = `${LOOPBACK}:9`;

/** Debian keeps it where only root's PATH leads. */
export function findNginx(): string | undefined {
  return findProgram('nginx') ?? findProgram('nginx', ['/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin']);
}

export async function chooseDoorPorts(): Promise<DoorPorts> {
  const [first = 0, second = 0, third = 0] = await freePorts(3);
  return { public: first, operators: second, tls: third };
}

/** A door on free loopback ports. A service that is not given is one that is down. */
export async function startDoor(options: {
  readonly directory: string;
  readonly upstreams: Partial<Upstreams>;
  readonly ports?: DoorPorts;
  /** PEM files; without, TLS is off, as it is unless configured. */
  readonly certificate?: { readonly file: string; readonly keyFile: string };
  /** Times of the configuration that a test cannot wait for: from, to. */
  readonly shorter?: Readonly<Record<string, string>>;
}): Promise<Door> {
  const nginx = findNginx();
  if (nginx === undefined) throw new Error('Nginx is not installed');
  const ports = options.ports ?? (await chooseDoorPorts());
  const directory = ensureDirectory(join(options.directory, `door-${ports.public}`));
  const configuration = join(directory, 'conf');
  cpSync(join(ROOT, 'ops', 'nginx'), configuration, { recursive: true });
  if (options.certificate !== undefined) {
    cpSync(join(ROOT, 'ops', 'nginx-tls'), join(directory, 'nginx-tls'), { recursive: true });
    const certificates = ensureDirectory(join(directory, 'nginx-certificates'));
    copyFileSync(options.certificate.file, join(certificates, 'certificate.pem'));
    copyFileSync(options.certificate.keyFile, join(certificates, 'key.pem'));
  }
  const logFile = join(directory, 'nginx.log');
  edit(join(configuration, 'nginx.conf'), {
    'listen 8080 ': `listen ${LOOPBACK}:${ports.public} `,
    'listen 8081 ': `listen ${LOOPBACK}:${ports.operators} `,
    'worker_processes auto;': 'worker_processes 2;',
    ...options.shorter,
  });
  if (options.certificate !== undefined)
    edit(join(directory, 'nginx-tls', 'listen.conf'), {
      'listen 8443 ': `listen ${LOOPBACK}:${ports.tls} `,
    });
  edit(join(configuration, 'upstreams.conf'), {
    'resolver 127.0.0.11 valid=2s ipv6=off;': '',
    ...Object.fromEntries(
      UPSTREAMS.map((name) => [
        `server ${name}:8080 resolve max_fails=2 fail_timeout=2s;`,
        (options.upstreams[name] ?? [NOBODY])
          .map((address) => `server ${address} max_fails=2 fail_timeout=2s;`)
          .join(' '),
      ]),
    ),
  });

  const running = await startForeign({
    name: 'Nginx',
    command: nginx,
    // As root it would give its workers to a user who may not read this folder.
    args: [
      '-p',
      directory,
      '-c',
      join(configuration, 'nginx.conf'),
      '-g',
      'daemon off; user root;',
      '-e',
      'stderr',
    ],
    stopSignal: 'SIGTERM',
    logFile,
    pidFile: join(directory, 'nginx.json'),
  });
  if (!(await untilAnswers(() => isListening(ports.public), running, 10_000))) {
    await running.stop();
    throw new StartFailed('Nginx does not answer', tailOf(logFile), logFile);
  }
  const stop = (): Promise<void> => running.stop();
  return {
    ports,
    url: `http://${LOOPBACK}:${ports.public}`,
    operatorsUrl: `http://${LOOPBACK}:${ports.operators}`,
    log: () => readFileSync(logFile, 'utf8'),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Throws when something to replace is not there: the file has changed, and this no longer tests it. */
function edit(file: string, replacements: Readonly<Record<string, string>>): void {
  let text = readFileSync(file, 'utf8');
  for (const [from, to] of Object.entries(replacements)) {
    if (!text.includes(from)) throw new Error(`${file} has no "${from}"`);
    text = text.replaceAll(from, to);
  }
  writeFileSync(file, text);
}
