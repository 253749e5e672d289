/**
 * A load generator of raw sockets with keep-alive: it writes a request as soon as the answer to the one before is
 * complete. Small, because it shares the machine with what it measures; it says what it took for itself.
 */
import { connect } from 'node:net';

export type Load = {
  readonly url: string;
  readonly requests: number;
  readonly expectedStatus: number;
  readonly request: (index: number) => Request;
};

export type Request = {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
};

export type Throughput = {
  readonly perSecond: number;
  /** CPU time of this process by the time that passed: near 1, it was the generator that was measured. */
  readonly ownShare: number;
};

const CONNECTIONS = 32;
const SILENCE_LIMIT_MS = 30_000;
const HEAD_END = '\r\n\r\n';

/** Throws when an answer has another status than expected. */
export async function generate(load: Load): Promise<Throughput> {
  let next = 0;
  const take = (): number | undefined => (next < load.requests ? next++ : undefined);
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: CONNECTIONS }, () => keepAsking(load, take)));
  const ms = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { perSecond: (load.requests * 1_000) / ms, ownShare: (user + system) / 1_000 / ms };
}

function keepAsking(load: Load, take: () => number | undefined): Promise<void> {
  const { hostname, port } = new URL(load.url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    let received = '';
    const ask = (): void => {
      const index = take();
      if (index === undefined) {
        socket.end();
        resolve();
      } else socket.write(serialize(load.request(index), hostname));
    };
    socket.setEncoding('latin1');
    socket.setTimeout(SILENCE_LIMIT_MS, () => socket.destroy(new Error(`${load.url} is silent`)));
    socket.once('connect', ask);
    socket.once('error', reject);
    // After the last answer this changes nothing any more.
    socket.once('close', () => reject(new Error(`${load.url} closed a connection`)));
    socket.on('data', (chunk: string) => {
      received += chunk;
      const answer = completeAnswer(received);
      if (answer === undefined) return;
      if (answer.status !== load.expectedStatus)
        socket.destroy(new Error(`${load.url} answered ${answer.status}: ${answer.body}`));
      else {
        received = '';
        ask();
      }
    });
  });
}

function serialize({ method, path, headers = {}, body }: Request, host: string): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  if (body !== undefined) lines.push(`Content-Length: ${Buffer.byteLength(body)}\r\n`);
  return `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${lines.join('')}\r\n${body ?? ''}`;
}

/** `undefined` while some of it is still on the way. Answers come one at a time and with their length. */
function completeAnswer(received: string): { status: number; body: string } | undefined {
  const headEnd = received.indexOf(HEAD_END);
  if (headEnd === -1) return undefined;
  const length = /\r\ncontent-length: (\d+)/i.exec(received.slice(0, headEnd))?.[1];
  if (length === undefined) throw new Error(`an answer without its length: ${received.slice(0, headEnd)}`);
  const body = received.slice(headEnd + HEAD_END.length);
  return body.length < Number(length) ? undefined : { status: Number(received.slice(9, 12)), body };
}
