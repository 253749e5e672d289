/** What never becomes a request: the HTTP parser refuses it, or it does not arrive. Answered as everything else is. */
import { STATUS_CODES, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { FAILURES, type FailureCode } from '../../domain/failures.ts';
import { Problem, problemDocument, problemHeaders } from './problem.ts';
import { SECURITY_HEADERS } from './security-headers.ts';

/** By the code of Node's error; whatever else the parser says is a request that is no HTTP. */
const CODES: Readonly<Record<string, FailureCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

/** Closed at once, the answer could be lost with what is still arriving; never closed, whoever stays would hold a socket. */
const LINGER_MS = 1_000;

export function answerUnreadable(server: Server): void {
  const answers = new WeakMap<Duplex, Set<ServerResponse>>();
  const refused = new WeakSet<Duplex>();
  server.on('request', ({ socket }, response) => {
    const open = answers.get(socket) ?? new Set();
    answers.set(socket, open.add(response));
    response.once('close', () => open.delete(response));
  });
  server.on('checkExpectation', (_request, response: ServerResponse) => {
    const problem = new Problem('expectation_failed');
    response.writeHead(FAILURES[problem.code].status, headersOf(problem)).end(problemDocument(problem));
  });
  server.on('clientError', (error: Error & { readonly code?: string }, socket) => {
    // Each further piece of the nonsense is an error of its own.
    if (refused.has(socket)) return;
    refused.add(socket);
    const unsent = [...(answers.get(socket) ?? [])].filter(({ writableEnded }) => !writableEnded);
    // A stream is no answer that ends soon, and bytes in its middle would be read as a part of it.
    if (unsent.some(({ headersSent }) => headersSent)) {
      socket.destroy();
      return;
    }
    const code = error.code !== undefined && Object.hasOwn(CODES, error.code) ? CODES[error.code] : undefined;
    const refuse = (): void => {
      if (socket.writable) socket.end(wholeAnswer(new Problem(code ?? 'malformed_request')));
      setTimeout(() => socket.destroy(), LINGER_MS).unref();
    };
    // Sent before it, this would be taken for the answer to a request that was whole.
    const owed = unsent.filter(({ req }) => req.complete);
    void Promise.all(owed.map((response) => new Promise((done) => response.once('close', done)))).then(
      refuse,
    );
  });
}

/** The connection is good for nothing more. */
function headersOf(problem: Problem): Readonly<Record<string, string>> {
  const length = Buffer.byteLength(problemDocument(problem));
  return {
    ...SECURITY_HEADERS,
    ...problemHeaders(problem),
    'Content-Length': String(length),
    Connection: 'close',
  };
}

function wholeAnswer(problem: Problem): string {
  const { status } = FAILURES[problem.code];
  const lines = Object.entries(headersOf(problem)).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, ...lines, '', problemDocument(problem)].join(
    '\r\n',
  );
}
