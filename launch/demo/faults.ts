/** What was broken, and how often it was seen to happen, by the account of whoever it happened to. */
import type { Effect, WebhookCounts } from '../stage/simulator.ts';

export type Sighting = {
  readonly what: string;
  readonly times: number;
  readonly seenBy: string;
  /** What donors do, where everything else is what machines do to them. */
  readonly byDonors?: true;
};

export type Sources = {
  readonly ledger: readonly Effect[];
  readonly fired: Readonly<Record<string, number>>;
  readonly webhooks: WebhookCounts;
  readonly repeats: number;
  readonly killed: number;
  readonly orphaned: number;
  /** `null` on a machine without Redis, where nothing can be flushed. */
  readonly redis: { readonly flushes: number; readonly forgottenKeys: number } | null;
};

export function countSightings(sources: Sources): Sighting[] {
  const { ledger, fired, webhooks, repeats, killed, orphaned, redis } = sources;
  const provider = (what: string, fault: string): Sighting => ({
    what,
    times: fired[fault] ?? 0,
    seenBy: "the provider's fault counter",
  });
  return [
    {
      what: 'the same donation sent again',
      times: repeats,
      seenBy: 'answers marked Idempotent-Replayed',
      byDonors: true,
    },
    {
      what: 'card declined',
      times: ledger.filter(({ type }) => type === 'declined').length,
      seenBy: "the provider's ledger",
      byDonors: true,
    },
    provider('charged, then the connection was reset', 'resetAfter'),
    provider('charged, then no answer at all', 'timeoutAfter'),
    { what: 'webhook lost for good', times: webhooks.dropped, seenBy: "the provider's webhook statistics" },
    provider('webhook delivered twice', 'webhookDuplicate'),
    provider('webhook overtaken by later ones', 'webhookReorder'),
    provider('webhook delayed', 'webhookDelay'),
    {
      what: 'worker killed with -9',
      times: killed,
      seenBy: `its exit status; ${orphaned} donations were under way`,
    },
    ...(redis === null
      ? []
      : [
          {
            what: 'Redis emptied',
            times: redis.flushes,
            seenBy: `Redis; it forgot ${redis.forgottenKeys} donations`,
          },
        ]),
  ];
}
