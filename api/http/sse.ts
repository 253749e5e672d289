/** Server-sent events (WHATWG HTML §9.2): one response that stays open. */
import type { Response } from 'express';

export type EventStream = {
  /** Aborts when the reader is gone. */
  readonly signal: AbortSignal;
  readonly send: (event: { readonly type: string; readonly id: string; readonly data: unknown }) => void;
  readonly end: () => void;
};

const HEARTBEAT_MS = 15_000;
const RECONNECT_MS = 1_000;

export function openEventStream(response: Response): EventStream {
  const reader = new AbortController();
  setStreamHeaders(response);
  response.flushHeaders();
  response.write(`retry: ${RECONNECT_MS}\n\n`);
  // Proxies and browsers drop a connection on which nothing moves.
  const heartbeat = setInterval(() => response.write(':\n\n'), HEARTBEAT_MS);
  response.once('close', () => {
    clearInterval(heartbeat);
    reader.abort();
  });
  return {
    signal: reader.signal,
    send: ({ type, id, data }) => {
      response.write(`event: ${type}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
    },
    end: () => {
      response.end();
    },
  };
}

/** What HEAD answers: a stream that nobody can see would only keep its connection and its look-ups. */
export function answerStreamHead(response: Response): void {
  setStreamHeaders(response);
  response.end();
}

function setStreamHeaders(response: Response): void {
  response.set({
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-store',
    // Nginx would hold events back until its buffer is full.
    'X-Accel-Buffering': 'no',
  });
}
