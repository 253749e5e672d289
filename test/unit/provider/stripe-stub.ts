import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Stub = {
  readonly base: string;
  readonly requests: {
    readonly method: string;
    readonly url: string;
    readonly headers: IncomingMessage['headers'];
    readonly body: string;
  }[];
  answerWith(listener: RequestListener): void;
  answer(status: number, body: unknown, headers?: Record<string, string>): void;
  [Symbol.asyncDispose](): Promise<void>;
};

const notToldYet: RequestListener = (_request, response) => void response.writeHead(500).end();

/** A server that answers what a test tells it to, however little it is like Stripe. */
export async function startStub(): Promise<Stub> {
  const requests: Stub['requests'] = [];
  let listener: RequestListener = notToldYet;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      requests.push({ method, url, headers, body: Buffer.concat(chunks).toString('utf8') });
      listener(request, response);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answerWith: (next) => {
      listener = next;
    },
    answer: (status, body, headers = {}) => {
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      listener = (_request, response) => void response.writeHead(status, headers).end(text);
    },
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

export function intentBody(change: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: 'pi_1',
    object: 'payment_intent',
    status: 'requires_capture',
    amount: 2_500,
    amount_capturable: 2_500,
    amount_received: 0,
    currency: 'usd',
    metadata: { donation_id: 'd', campaign_id: 'c' },
    last_payment_error: null,
    cancellation_reason: null,
    livemode: false,
    created: 1_800_000_000,
    ...change,
  };
}

export function refundBody(change: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: 're_1',
    object: 'refund',
    status: 'succeeded',
    amount: 1_000,
    currency: 'usd',
    payment_intent: 'pi_1',
    charge: 'ch_1',
    metadata: { donation_id: 'd', refund_id: 'r' },
    created: 1_800_000_000,
    ...change,
  };
}

export function disputeBody(change: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: 'du_1',
    object: 'dispute',
    status: 'needs_response',
    amount: 2_500,
    currency: 'eur',
    payment_intent: 'pi_1',
    charge: 'ch_1',
    reason: 'fraudulent',
    balance_transactions: [{ amount: -2_500 }],
    created: 1_800_000_000,
    ...change,
  };
}
