import type { LineRef } from './ledger.ts';
import type { Call } from './faults.ts';
import type {
  ChargeRecord,
  DisputeRecord,
  Effect,
  IntentRecord,
  LedgerLine,
  RefundRecord,
} from './records.ts';

type KeptEvent = {
  readonly id: string;
  readonly type: string;
  readonly created: number;
  readonly ref: LineRef;
};
type KeptAnswer = { readonly fingerprint: string; readonly at: number; readonly ref: LineRef };

/** The state that the ledger adds up to: the same whether it grew line by line or was rebuilt from the file. */
export type Store = {
  readonly intents: ReadonlyMap<string, IntentRecord>;
  /** In the order of creation. */
  readonly intentIds: readonly string[];
  readonly charges: ReadonlyMap<string, ChargeRecord>;
  readonly refunds: ReadonlyMap<string, RefundRecord>;
  readonly disputes: ReadonlyMap<string, DisputeRecord>;
  readonly events: readonly KeptEvent[];
  readonly answers: ReadonlyMap<string, KeptAnswer>;
  readonly effects: readonly Effect[];
  /** Events that no endpoint has acknowledged yet. */
  readonly unsettled: ReadonlyMap<string, { readonly call: Call; readonly ref: LineRef }>;
  positionOf(intentId: string): number;
  ofDonation(donationId: string): readonly string[];
  apply(line: LedgerLine, ref: LineRef): void;
};

/** What the lines of an older ledger file lack. */
const OLD_CHARGE = { disputed: false, fee: null, balanceTransaction: null };
const OLD_REFUND = { settlesAs: null, failureReason: null };

export function createStore(): Store {
  const intents = new Map<string, IntentRecord>();
  const positions = new Map<string, number>();
  const intentIds: string[] = [];
  const byDonation = new Map<string, string[]>();
  const charges = new Map<string, ChargeRecord>();
  const refunds = new Map<string, RefundRecord>();
  const disputes = new Map<string, DisputeRecord>();
  const events: KeptEvent[] = [];
  const answers = new Map<string, KeptAnswer>();
  const effects: Effect[] = [];
  const unsettled = new Map<string, { call: Call; ref: LineRef }>();

  const putIntent = (intent: IntentRecord): void => {
    if (!intents.has(intent.id)) {
      positions.set(intent.id, intentIds.length);
      intentIds.push(intent.id);
      const donationId = intent.metadata['donation_id'];
      if (donationId !== undefined)
        byDonation.set(donationId, [...(byDonation.get(donationId) ?? []), intent.id]);
    }
    intents.set(intent.id, intent);
  };

  return {
    intents,
    intentIds,
    charges,
    refunds,
    disputes,
    events,
    answers,
    effects,
    unsettled,
    positionOf: (intentId) => positions.get(intentId) ?? -1,
    ofDonation: (donationId) => byDonation.get(donationId) ?? [],
    apply: (line, ref) => {
      for (const effect of line.effects ?? []) effects.push(effect);
      for (const intent of line.intents ?? []) putIntent(intent);
      for (const charge of line.charges ?? []) charges.set(charge.id, { ...OLD_CHARGE, ...charge });
      for (const refund of line.refunds ?? []) refunds.set(refund.id, { ...OLD_REFUND, ...refund });
      for (const dispute of line.disputes ?? []) disputes.set(dispute.id, dispute);
      for (const { id, type, created, call } of line.events ?? []) {
        events.push({ id, type, created, ref });
        unsettled.set(id, { call, ref });
      }
      if (line.answer)
        answers.set(line.answer.key, { fingerprint: line.answer.fingerprint, at: line.answer.at, ref });
      if (line.settled) unsettled.delete(line.settled.eventId);
    },
  };
}
