import { SECRET_KEY } from './start-simulator.ts';

export type ListedEvent = {
  readonly id: string;
  readonly type: string;
  readonly data: {
    readonly object: Readonly<Record<string, unknown>>;
    readonly previous_attributes?: Readonly<Record<string, unknown>>;
  };
  readonly request: { readonly id: string | null; readonly idempotency_key: string | null };
};

/** What the provider would tell about a payment, in the order in which it happened, whatever webhooks arrive. */
export async function eventsOf(base: string, paymentId: string): Promise<ListedEvent[]> {
  const answer = await fetch(`${base}/v1/events?limit=100`, {
    headers: { authorization: `Bearer ${SECRET_KEY}` },
  });
  const { data } = (await answer.json()) as { data: ListedEvent[] };
  return data
    .filter(({ data: { object } }) => object['id'] === paymentId || object['payment_intent'] === paymentId)
    .toReversed();
}
