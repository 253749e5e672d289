import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

const ATTEMPT_TIMEOUT_MS = 10_000;

export type Endpoint = {
  /** The status, or null when no answer came. */
  post(url: string, body: string, headers: Readonly<Record<string, string>>): Promise<number | null>;
  close(): void;
};

/** The sending half of webhooks: one POST over a kept connection, its answer reduced to the status. */
export function createEndpoint(): Endpoint {
  const plain = new HttpAgent({ keepAlive: true });
  const tls = new HttpsAgent({ keepAlive: true });
  const closing = new AbortController();
  return {
    post: (url, body, headers) =>
      new Promise((resolve) => {
        const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(ATTEMPT_TIMEOUT_MS)]);
        const options = {
          method: 'POST',
          signal,
          headers: {
            ...headers,
            'content-type': 'application/json; charset=utf-8',
            'content-length': Buffer.byteLength(body),
            'user-agent': 'Stripe/1.0 (+https://stripe.com/docs/webhooks)',
          },
        };
        const sent = url.startsWith('https:')
          ? httpsRequest(url, { ...options, agent: tls })
          : httpRequest(url, { ...options, agent: plain });
        sent.on('response', (answer) => {
          answer.resume();
          answer.on('end', () => resolve(answer.statusCode ?? null));
          answer.on('error', () => resolve(null));
        });
        sent.on('error', () => resolve(null));
        sent.end(body);
      }),
    close: () => {
      closing.abort();
      plain.destroy();
      tls.destroy();
    },
  };
}
