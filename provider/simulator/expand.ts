import { invalidParameter } from './errors.ts';
import type { Answer } from './errors.ts';
import type { StripeObject } from './records.ts';
import { renderBalanceTransaction } from './render-money-back.ts';
import { renderCharge } from './render.ts';
import type { Work } from './work.ts';

/** https://docs.stripe.com/api/expanding_objects, of which payments know one path. */
const CHARGE = 'latest_charge';
const FEE = 'latest_charge.balance_transaction';

/** Null when every path can be expanded. */
export function refuseExpand(paths: readonly string[], prefix: string): Answer | null {
  const wrong = paths.find((path) => path !== prefix + CHARGE && path !== prefix + FEE);
  if (wrong === undefined) return null;
  return invalidParameter('expand', `This property cannot be expanded (${wrong}).`);
}

export function expandIntent(
  work: Work,
  intent: StripeObject,
  paths: readonly string[],
  prefix = '',
): StripeObject {
  const charge = work.chargeOf(typeof intent[CHARGE] === 'string' ? intent[CHARGE] : null);
  if (charge === undefined || work.dials.ignoresExpand) return intent;
  const rendered = renderCharge(charge, work.livemode);
  const withFee = paths.includes(prefix + FEE);
  return {
    ...intent,
    [CHARGE]: withFee ? { ...rendered, balance_transaction: renderBalanceTransaction(charge) } : rendered,
  };
}
