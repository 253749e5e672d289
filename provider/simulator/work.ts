import type { Call, Faults } from './faults.ts';
import { newId } from './records.ts';
import type {
  Changes,
  ChargeRecord,
  Effect,
  EffectType,
  EventRecord,
  IntentRecord,
  RefundRecord,
  StripeObject,
} from './records.ts';
import { renderCharge, renderEvent, renderIntent, renderRefund } from './render.ts';
import type { Store } from './store.ts';

type EffectDetails = {
  readonly amount?: number;
  readonly chargeId?: string;
  readonly refundId?: string;
  readonly code?: string;
};

/** One request at work: it reads the store and collects what it would change. */
export type Work = {
  readonly store: Store;
  readonly call: Call;
  readonly nowSeconds: number;
  readonly livemode: boolean;
  strikes(fault: 'decline' | 'wrongAmount'): boolean;
  effect(type: EffectType, intent: IntentRecord, details?: EffectDetails): void;
  saveIntent(intent: IntentRecord, ...eventTypes: readonly string[]): StripeObject;
  saveCharge(charge: ChargeRecord, ...eventTypes: readonly string[]): void;
  saveRefund(refund: RefundRecord, ...eventTypes: readonly string[]): StripeObject;
  changes(): Changes;
};

export function beginWork(options: {
  readonly store: Store;
  readonly faults: Faults;
  readonly call: Call;
  readonly livemode: boolean;
  readonly requestId: string | null;
  readonly idempotencyKey: string | null;
}): Work {
  const { store, faults, call, livemode, requestId, idempotencyKey } = options;
  const now = new Date();
  const nowSeconds = Math.floor(now.getTime() / 1000);
  const effects: Effect[] = [];
  const intents = new Map<string, IntentRecord>();
  const charges = new Map<string, ChargeRecord>();
  const refunds = new Map<string, RefundRecord>();
  const events: EventRecord[] = [];

  const announce = (types: readonly string[], object: StripeObject): void => {
    for (const type of types) {
      const event = { id: newId('evt'), type, created: nowSeconds };
      const body = renderEvent({ ...event, object, requestId, idempotencyKey }, livemode);
      events.push({ ...event, call, body });
    }
  };

  return {
    store,
    call,
    nowSeconds,
    livemode,
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
      charges.set(charge.id, charge);
      announce(eventTypes, renderCharge(charge, livemode));
    },
    saveRefund: (refund, ...eventTypes) => {
      refunds.set(refund.id, refund);
      const rendered = renderRefund(refund);
      announce(eventTypes, rendered);
      return rendered;
    },
    changes: () => ({
      effects,
      intents: [...intents.values()],
      charges: [...charges.values()],
      refunds: [...refunds.values()],
      events,
    }),
  };
}
