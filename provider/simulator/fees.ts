import type { Answer } from './errors.ts';
import { invalidParameter } from './errors.ts';
import { newId } from './records.ts';
import type { ChargeRecord, IntentRecord } from './records.ts';
import { renderIntent } from './render.ts';
import type { Work } from './work.ts';

const BASIS_POINTS = 10_000;

/** The charge with the money taken: from here on there is a balance transaction, and with it the fee. */
export function takeMoney(work: Work, charge: ChargeRecord, amount: number): ChargeRecord {
  const { feeBasisPoints, feeFixedMinor } = work.dials;
  const fee = Math.round((amount * feeBasisPoints) / BASIS_POINTS) + feeFixedMinor;
  return {
    ...charge,
    captured: true,
    amountCaptured: amount,
    fee: Math.min(fee, amount),
    balanceTransaction: newId('txn'),
  };
}

/** The provider corrects what it keeps of a payment, long after the capture. */
export function changeFee(work: Work, intent: IntentRecord, fee: number): Answer {
  const charge = work.chargeOf(intent.latestCharge);
  if (!charge?.balanceTransaction)
    return invalidParameter('payment_intent', 'There is no fee before the capture.');
  work.saveCharge({ ...charge, fee }, 'charge.updated');
  return { status: 200, body: renderIntent(intent, work.livemode), executed: true };
}
