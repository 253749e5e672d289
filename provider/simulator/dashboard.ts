import { z } from 'zod';
import { invalidParameter } from './errors.ts';
import type { Answer } from './errors.ts';
import { authorizeIntent, newIntent } from './intents.ts';
import { behaviourOf } from './payment-methods.ts';
import type { IntentRecord } from './records.ts';
import { refundCharge } from './refunds.ts';
import { renderIntent } from './render.ts';
import type { Work } from './work.ts';

/** What people do at the provider by hand, without a request of ours. */

const refundSchema = z.strictObject({
  amountMinor: z.int().positive().optional(),
  status: z.enum(['succeeded', 'pending']).default('succeeded'),
});

/** Without metadata: nothing in it says which donation it is about. */
export function refundByHand(work: Work, intent: IntentRecord, body: unknown): Answer {
  const { amountMinor, status } = refundSchema.parse(body);
  const charge = work.chargeOf(intent.latestCharge);
  if (charge === undefined || !charge.captured)
    return invalidParameter('payment_intent', 'Only what was captured can be refunded.');
  return refundCharge(work, { intent, charge }, { amount: amountMinor, status });
}

const paymentSchema = z.strictObject({
  amountMinor: z.int().positive(),
  currency: z
    .string()
    .regex(/^[A-Za-z]{3}$/)
    .transform((code) => code.toLowerCase()),
  metadata: z.record(z.string(), z.string()).default({}),
  paymentMethod: z.string().default('pm_card_visa'),
});

/** A succeeded payment that no donation of ours asked for. */
export function payByHand(work: Work, body: unknown): Answer {
  const { amountMinor, currency, metadata, paymentMethod } = paymentSchema.parse(body);
  return pay(work, { amount: amountMinor, currency, metadata, paymentMethod });
}

/** The same donation paid a second time. */
export function payAgain(work: Work, { amount, currency, metadata }: IntentRecord): Answer {
  return pay(work, { amount, currency, metadata, paymentMethod: 'pm_card_visa' });
}

type Payment = Pick<IntentRecord, 'amount' | 'currency' | 'metadata'> & { readonly paymentMethod: string };

function pay(work: Work, { paymentMethod, ...payment }: Payment): Answer {
  if (behaviourOf(paymentMethod)?.kind !== 'approve')
    return invalidParameter('paymentMethod', 'Only a card that pays without asking.');
  const intent = newIntent(work, {
    ...payment,
    captureMethod: 'automatic',
    paymentMethod,
    description: 'Made by hand',
  });
  work.effect('created', intent);
  work.saveIntent(intent, 'payment_intent.created');
  return authorizeIntent(work, intent, paymentMethod);
}

const amountSchema = z.strictObject({
  amountMinor: z.int().positive(),
  /** Of a captured payment; the same unless told. */
  amountReceivedMinor: z.int().min(0).optional(),
});

/** From now on every answer shows other amounts than were paid; the ledger's effects keep the truth. */
export function changeAmount(work: Work, intent: IntentRecord, body: unknown): Answer {
  const { amountMinor, amountReceivedMinor = amountMinor } = amountSchema.parse(body);
  const changed: IntentRecord = {
    ...intent,
    amount: amountMinor,
    amountCapturable: intent.status === 'requires_capture' ? amountMinor : 0,
    amountReceived: intent.status === 'succeeded' ? amountReceivedMinor : 0,
  };
  work.saveIntent(changed);
  return { status: 200, body: renderIntent(changed, work.livemode), executed: true };
}
