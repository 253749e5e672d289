import type { Dials } from './dials.ts';
import type { Call, Faults } from './faults.ts';
import { newId } from './records.ts';
import type {
  Changes,
  ChargeRecord,
  DisputeRecord,
  Effect,
  EffectType,
  EventRecord,
  IntentRecord,
  RefundRecord,
  StripeObject,
} from './records.ts';
import { renderDispute, renderRefund } from './render-money-back.ts';
import { renderCharge, renderEvent, renderIntent } from './render.ts';
import type { Store } from './store.ts';

type EffectDetails = {
  readonly amount?: number;
  readonly chargeId?: string;
  readonly refundId?: string;
  readonly disputeId?: string;
  readonly code?: string;
};

/** One request at work: it reads the store and collects what it would change. */
export type Work = {
  readonly store: Store;
  readonly call: Call;
  readonly nowSeconds: number;
  readonly livemode: boolean;
  readonly dials: Dials;
  strikes(fault: 'decline' | 'processing' | 'wrongAmount'): boolean;
  /** As this request has left it so far. */
  chargeOf(id: string | null): ChargeRecord | undefined;
  effect(type: EffectType, intent: IntentRecord, details?: EffectDetails): void;
  saveIntent(intent: IntentRecord, ...eventTypes: readonly string[]): StripeObject;
  saveCharge(charge: ChargeRecord, ...eventTypes: readonly string[]): void;
  saveRefund(refund: RefundRecord, ...eventTypes: readonly string[]): StripeObject;
  saveDispute(dispute: DisputeRecord, ...eventTypes: readonly string[]): StripeObject;
  changes(): Changes;
};

export function beginWork(options: {
  readonly store: Store;
  readonly faults: Faults;
  readonly dials: Dials;
  readonly call: Call;
  readonly livemode: boolean;
  readonly requestId: string | null;
  readonly idempotencyKey: string | null;
}): Work {
  const { store, faults, dials, call, livemode, requestId, idempotencyKey } = options;
  const now = new Date();
  const nowSeconds = Math.floor(now.getTime() / 1000);
  const effects: Effect[] = [];
  const intents = new Map<string, IntentRecord>();
  const charges = new Map<string, ChargeRecord>();
  const refunds = new Map<string, RefundRecord>();
  const disputes = new Map<string, DisputeRecord>();
  const events: EventRecord[] = [];

  const announce = (types: readonly string[], object: StripeObject, before?: StripeObject): void => {
    for (const type of types) {
      const event = { id: newId('evt'), type, created: nowSeconds };
      const previous = before && type.endsWith('.updated') ? changedIn(before, object) : null;
      const body = renderEvent({ ...event, object, previous, requestId, idempotencyKey }, livemode);
      events.push({ ...event, call, body });
    }
  };

  return {
    store,
    call,
    nowSeconds,
    livemode,
    dials,
    chargeOf: (id) => charges.get(id ?? '') ?? store.charges.get(id ?? ''),
    strikes: (fault) => faults.strikes(fault, call),
    effect: (type, intent, details = {}) => {
      effects.push({
        seq: store.effects.length + effects.length + 1,
        type,
        at: now.toISOString(),
        paymentId: intent.id,
        donationId: intent.metadata['donation_id'] ?? null,
        campaignId: intent.metadata['campaign_id'] ?? null,
        amountMinor: details.amount ?? intent.amount,
        currency: intent.currency.toUpperCase(),
        chargeId: details.chargeId ?? intent.latestCharge,
        refundId: details.refundId ?? null,
        disputeId: details.disputeId ?? null,
        code: details.code ?? null,
        idempotencyKey,
      });
    },
    saveIntent: (intent, ...eventTypes) => {
      intents.set(intent.id, intent);
      const rendered = renderIntent(intent, livemode);
      announce(eventTypes, rendered);
      return rendered;
    },
    saveCharge: (charge, ...eventTypes) => {
      const before = charges.get(charge.id) ?? store.charges.get(charge.id);
      charges.set(charge.id, charge);
      announce(eventTypes, renderCharge(charge, livemode), before && renderCharge(before, livemode));
    },
    saveRefund: (refund, ...eventTypes) => {
      const before = refunds.get(refund.id) ?? store.refunds.get(refund.id);
      refunds.set(refund.id, refund);
      const rendered = renderRefund(refund);
      announce(eventTypes, rendered, before && renderRefund(before));
      return rendered;
    },
    saveDispute: (dispute, ...eventTypes) => {
      const before = disputes.get(dispute.id) ?? store.disputes.get(dispute.id);
      disputes.set(dispute.id, dispute);
      const rendered = renderDispute(dispute, livemode);
      announce(eventTypes, rendered, before && renderDispute(before, livemode));
      return rendered;
    },
    changes: () => ({
      effects,
      intents: [...intents.values()],
      charges: [...charges.values()],
      refunds: [...refunds.values()],
      disputes: [...disputes.values()],
      events,
    }),
  };
}

function changedIn(before: StripeObject, after: StripeObject): StripeObject {
  const changed = Object.keys(after).filter(
    (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  );
  return Object.fromEntries(changed.map((name) => [name, before[name] ?? null]));
}
