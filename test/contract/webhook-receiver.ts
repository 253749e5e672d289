import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { verifyWebhook } from '../../provider/stripe/webhook.ts';
import type { WebhookEvent, WebhookVerification } from '../../provider/stripe/webhook.ts';
import { WEBHOOK_SECRET } from './start-simulator.ts';

export type Received = { readonly at: number; readonly result: WebhookVerification; readonly body: string };

export type WebhookReceiver = {
  readonly url: string;
  readonly received: Received[];
  /** Verified events in the order in which they came. */
  events(): WebhookEvent[];
  /** Resolves with the first match, also with one that came before. */
  waitFor(matches: (event: WebhookEvent) => boolean, timeoutMs?: number): Promise<WebhookEvent>;
  answerWith(status: (event: WebhookVerification) => number): void;
  [Symbol.asyncDispose](): Promise<void>;
};

const honestly = (result: WebhookVerification): number => (result.ok ? 200 : 400);

/** An endpoint that checks signatures like ours and can answer badly. */
export async function startReceiver(): Promise<WebhookReceiver> {
  const received: Received[] = [];
  let statusOf = honestly;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const raw = Buffer.concat(chunks);
      const header = request.headers['stripe-signature'];
      const result = verifyWebhook(
        raw,
        String(header ?? ''),
        [WEBHOOK_SECRET],
        Math.floor(Date.now() / 1000),
      );
      received.push({ at: performance.now(), result, body: raw.toString('utf8') });
      response.writeHead(statusOf(result)).end();
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const events = (): WebhookEvent[] => received.flatMap(({ result }) => (result.ok ? [result.event] : []));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks/stripe`,
    received,
    events,
    waitFor: async (matches, timeoutMs = 10_000) => {
      const until = performance.now() + timeoutMs;
      for (;;) {
        const found = events().find(matches);
        if (found) return found;
        if (performance.now() > until) throw new Error('The webhook did not come');
        await sleep(10);
      }
    },
    answerWith: (status) => {
      statusOf = status;
    },
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
