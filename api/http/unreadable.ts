/** What never becomes a request: the HTTP parser refuses it, or it does not arrive. Answered as everything else is. */
import { STATUS_CODES, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { FAILURES, type FailureCode } from '../../domain/failures.ts';
import { Problem, problemDocument, problemHeaders } from './problem.ts';

/** By the code of Node's error; whatever else the parser says is a request that is no HTTP. */
const CODES: Readonly<Record<string, FailureCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

export function answerUnreadable(server: Server): void {
  const answers = new WeakMap<Duplex, Set<ServerResponse>>();
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
    const waiting = [...(answers.get(socket) ?? [])].filter(({ writableEnded }) => !writableEnded);
    // The caller would take ours for the answer to a request that was whole, or for the rest of an answer that has begun.
    if (!socket.writable || waiting.some(({ req, headersSent }) => req.complete || headersSent)) {
      socket.destroy();
      return;
    }
    const code = error.code !== undefined && Object.hasOwn(CODES, error.code) ? CODES[error.code] : undefined;
    socket.end(wholeAnswer(new Problem(code ?? 'malformed_request')));
  });
}

/** The connection is good for nothing more. */
function headersOf(problem: Problem): Readonly<Record<string, string>> {
  const length = Buffer.byteLength(problemDocument(problem));
  return { ...problemHeaders(problem), 'Content-Length': String(length), Connection: 'close' };
}

function wholeAnswer(problem: Problem): string {
  const { status } = FAILURES[problem.code];
  const lines = Object.entries(headersOf(problem)).map(([name, value]) => `${name}: ${value}`);
  return [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, ...lines, '', problemDocument(problem)].join(
    '\r\n',
  );
}
