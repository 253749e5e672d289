import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { connect, createServer } from 'node:net';

export const LOOPBACK = '127.0.0.1';

/**
 * Below the ports that systems give to outgoing connections: one of those could be taken between our looking and the
 * listening of the program that it is for.
 */
const CHOICE = { first: 18_000, count: 14_000 } as const;
const MAX_TRIES = 100;

/** The preferred port when it is free, else any that is. */
export async function freePort(preferred = 0, host = LOOPBACK): Promise<number> {
  if (preferred !== 0 && (await isPortFree(preferred, host))) return preferred;
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const port = CHOICE.first + Math.floor(Math.random() * CHOICE.count);
    if (await isPortFree(port, host)) return port;
  }
  throw new Error(`no free port on ${host}`);
}

export function isPortFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

export function isListening(port: number, host = LOOPBACK, timeoutMs = 500): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host });
    const finish = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(timeoutMs, () => finish(false));
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
  });
}

/** "node, pid 4711" for the process that listens on the port, when the system lets us know. */
export function describeListener(port: number): string | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const inodes = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => listeningInodes(table, port));
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      if (!holdsSocket(pid, inodes)) continue;
      // The command line, because node calls its threads "MainThread".
      const [program, ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      return `${basename(program ?? '')} ${args.join(' ').slice(0, 60).trim()}, pid ${pid}`;
    }
  } catch {
    // Only a courtesy: without it the message just says less.
  }
  return undefined;
}

function listeningInodes(table: string, port: number): string[] {
  const LISTEN = '0A';
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync(table, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(suffix) === true && fields[3] === LISTEN)
    .flatMap((fields) => (fields[9] === undefined ? [] : [`socket:[${fields[9]}]`]));
}

function holdsSocket(pid: string, sockets: readonly string[]): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return sockets.includes(readlinkSync(`/proc/${pid}/fd/${fd}`));
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}
