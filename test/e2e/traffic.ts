/** What keeps coming in during an outage, whether or not the answers do: donations, replays, webhooks, reads. */
import { createHmac, randomUUID } from 'node:crypto';
import type { Stack } from '../harness/stack.ts';
import type { Given } from './giving.ts';

export type Answered = {
  readonly what: 'donation' | 'replay' | 'webhook' | 'read' | 'liveness';
  /** 0 when the connection broke. */
  readonly status: number;
  readonly ms: number;
  readonly retryAfter: string | null;
};

export type Traffic = {
  readonly answers: readonly Answered[];
  /** Donations that were answered with 202. */
  readonly accepted: readonly Given[];
  /** The keys and amounts of the others. */
  readonly refused: readonly { readonly key: string; readonly amount: number }[];
  /** Ids of the webhook events that were answered with 200. */
  readonly events: readonly string[];
};

/** Far beyond every documented limit: what takes this long hangs. */
const HANGS_AFTER_MS = 30_000;
const ROUND_MS = 200;
const FIRST_AMOUNT = 2_000;

/** One round every 200 ms while `outage` lasts, none waiting for the one before; `known` is a donation to be read. */
export async function sendTraffic(
  stack: Stack,
  campaignId: string,
  known: Given,
  outage: Promise<unknown>,
): Promise<Traffic> {
  const answers: Answered[] = [];
  const accepted: Given[] = [];
  const refused: { key: string; amount: number }[] = [];
  const events: string[] = [];
  const call = async (
    what: Answered['what'],
    url: string,
    init: RequestInit = {},
  ): Promise<Response | null> => {
    const startedAt = performance.now();
    const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(HANGS_AFTER_MS) }).catch(
      () => null,
    );
    const ms = performance.now() - startedAt;
    answers.push({
      what,
      status: answer?.status ?? 0,
      ms,
      retryAfter: answer?.headers.get('retry-after') ?? null,
    });
    return answer;
  };

  const donate = async (api: string, amount: number): Promise<void> => {
    const key = randomUUID();
    const init = {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify({ campaignId, amount, currency: 'USD', paymentMethod: 'pm_card_visa' }),
    };
    const answer = await call('donation', `${api}/donate`, init);
    if (answer?.status !== 202) {
      refused.push({ key, amount });
      return;
    }
    const { id, donorToken } = (await answer.json()) as { id: string; donorToken: string };
    accepted.push({ campaignId, amount, key, id, donorToken });
    await call('replay', `${api}/donate`, init);
  };
  const notify = async (api: string): Promise<void> => {
    const { id, body, signature } = signedEvent(stack.webhookSecret);
    const headers = { 'content-type': 'application/json', 'stripe-signature': signature };
    const answer = await call('webhook', `${api}/webhooks/stripe`, { method: 'POST', headers, body });
    if (answer?.status === 200) events.push(id);
  };
  const read = async (api: string): Promise<void> => {
    const headers = { authorization: `Bearer ${known.donorToken}` };
    await Promise.all([
      call('read', `${api}/donations/${known.id}`, { headers }),
      call('read', `${api}/campaigns/${campaignId}/total`),
      call('read', `${api}/campaigns`),
      call('liveness', `${api}/livez?verbose`),
    ]);
  };

  let over = false;
  const ends = outage.then(() => {
    over = true;
  });
  const rounds: Promise<unknown>[] = [];
  while (!over) {
    const api = stack.apiUrls[rounds.length % stack.apiUrls.length] ?? stack.apiUrl;
    rounds.push(Promise.all([donate(api, FIRST_AMOUNT + rounds.length), notify(api), read(api)]));
    await Promise.race([ends, new Promise((resolve) => setTimeout(resolve, ROUND_MS))]);
  }
  await Promise.all(rounds);
  return { answers, accepted, refused, events };
}

/** Of a type that nobody handles: it is to be stored and answered, and has no say about any payment. */
function signedEvent(secret: string): { id: string; body: string; signature: string } {
  const id = `evt_${randomUUID().replaceAll('-', '')}`;
  const created = Math.floor(Date.now() / 1_000);
  const object = { object: 'customer', id: 'cus_1' };
  const event = { object: 'event', id, type: 'customer.updated', created, livemode: false, data: { object } };
  const body = JSON.stringify(event);
  const hmac = createHmac('sha256', secret).update(`${created}.${body}`).digest('hex');
  return { id, body, signature: `t=${created},v1=${hmac}` };
}
