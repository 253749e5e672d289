/** Real sockets, and nothing that tidies a request up on its way. */
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';

const LOOPBACK = '127.0.0.1';
const ANSWER_LIMIT_MS = 20_000;
const agent = new Agent({ keepAlive: true, maxSockets: 2_000 });

export type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly text: string;
};

export type Call = {
  readonly method?: string;
  readonly path: string;
  /** One entry per header line. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly body?: string | Uint8Array;
};

/** Rejects when there is no answer in time: a hang is a failure. */
export function send(port: number, { method = 'GET', path, headers = [], body }: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const lines = headers.flatMap(([name, value]) => [name, value]);
    if (body !== undefined) lines.push('Content-Length', String(Buffer.byteLength(body)));
    const sent = request({
      host: LOOPBACK,
      port,
      method,
      path,
      agent,
      headers: ['Host', `${LOOPBACK}:${port}`, ...lines],
    });
    sent.setTimeout(ANSWER_LIMIT_MS, () => sent.destroy(new Error(`no answer to ${method} ${path}`)));
    sent.on('error', reject);
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers as Record<string, string | undefined>,
          text: Buffer.concat(chunks).toString('utf8'),
        });
      });
    });
    sent.end(body);
  });
}

/** Exactly these bytes; the answer is the first of what came back until the server closed. */
export async function sendBytes(port: number, bytes: string | Uint8Array): Promise<Answer> {
  const { answer } = firstOf(await bytesBack(port, bytes));
  return answer;
}

/** Exactly these bytes, and every answer on that connection, interim ones too; each must say how long it is. */
export async function sendForAll(port: number, bytes: string | Uint8Array): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let rest = await bytesBack(port, bytes); rest !== '';) {
    const { answer, after } = firstOf(rest);
    const length = Number(answer.headers['content-length'] ?? 0);
    answers.push({ ...answer, text: answer.text.slice(0, length) });
    rest = after.slice(length);
  }
  return answers;
}

async function bytesBack(port: number, bytes: string | Uint8Array): Promise<string> {
  const socket = connect({ host: LOOPBACK, port });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.setTimeout(ANSWER_LIMIT_MS, () => socket.destroy(new Error('no answer to the bytes')));
  await once(socket, 'connect');
  socket.write(bytes);
  await once(socket, 'close');
  return Buffer.concat(chunks).toString('latin1');
}

/** The answer with all that follows its head as text. */
function firstOf(bytes: string): { answer: Answer; after: string } {
  const end = bytes.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = bytes.slice(0, end).split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 1).trim(),
    ]),
  );
  const after = bytes.slice(end + 4);
  return { answer: { status: Number(statusLine.split(' ')[1]), headers, text: after }, after };
}

export type ProblemDocument = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail?: string;
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[];
  readonly traceId: string | null;
};

export function json(answer: Answer): unknown {
  return JSON.parse(answer.text);
}

/** The answer as a problem document; throws when it is not one. */
export function problem(answer: Answer): ProblemDocument {
  if (answer.headers['content-type'] !== 'application/problem+json; charset=utf-8')
    throw new Error(`${answer.status} is no problem document: ${JSON.stringify(answer)}`);
  return json(answer) as ProblemDocument;
}
