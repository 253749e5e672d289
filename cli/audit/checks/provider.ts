/** The provider's payments against ours: is all money that was taken ours to count, once, and is none held for nothing? */
import { formatMoney, isCurrencyCode } from '../../../domain/money.ts';
import type { ProviderPayment, ProviderRefund } from '../../../provider/port.ts';
import { isCaptured, isInFlight, type ChargeCheck, type DonationCheck } from '../check.ts';
import type { DonationSnapshot } from '../snapshot.ts';

/** A payment that holds or has the donor's money; one that was given back whole has not. */
export function isCharge(
  { id, status, amountReceivedMinor }: ProviderPayment,
  refunds: readonly ProviderRefund[],
): boolean {
  if (status === 'requires_capture') return true;
  return status === 'succeeded' && givenBackMinor(refundsOn(id, refunds)) < amountReceivedMinor;
}

/** Refunds that say on which payment they are. */
function refundsOn(paymentId: string, refunds: readonly ProviderRefund[]): ProviderRefund[] {
  return refunds.filter((refund) => refund.paymentId === null || refund.paymentId === paymentId);
}

/** Given back, or promised to the donor's bank. */
export function givenBackMinor(refunds: readonly ProviderRefund[]): number {
  return refunds
    .filter(({ status }) => status !== 'failed' && status !== 'canceled')
    .reduce((sum, { amountMinor }) => sum + amountMinor, 0);
}

/** The provider's payment that our row names. */
export function oursAtProvider({ payment, provider }: DonationSnapshot): ProviderPayment | undefined {
  return payment?.providerPaymentId == null
    ? undefined
    : provider.find(({ id }) => id === payment.providerPaymentId);
}

/** A person was asked to look at it already. */
export function isReviewed({ payment }: DonationSnapshot, what: string): boolean {
  return payment?.needsReview?.includes(what) === true;
}

export function money(amountMinor: number, currency: string): string {
  return isCurrencyCode(currency) ? formatMoney({ amountMinor, currency }) : `${amountMinor} ${currency}`;
}

const describe = ({ id, status, amountMinor, currency }: ProviderPayment): string =>
  `${id} ${status} ${money(amountMinor, currency)}`;

const chargedTwice: DonationCheck = {
  name: 'charged-twice',
  class: 'duplicate',
  meaning: 'More than one payment at the provider holds or has taken money for one donation.',
  fix: 'Cancel or refund at the provider every payment but the one that `careforall watch <id>` shows as ours.',
  find: ({ provider, providerRefunds }) => {
    const charges = provider.filter((it) => isCharge(it, providerRefunds));
    return charges.length > 1 ? [`${charges.length} charges: ${charges.map(describe).join(', ')}`] : [];
  },
};

const chargeUnknown: DonationCheck = {
  name: 'charge-unknown',
  class: 'missing',
  meaning:
    'The provider holds or has taken money for this donation with a payment that our books do not name.',
  fix: 'Find out who made it: book it through a redelivered webhook, or cancel or refund it at the provider.',
  find: (donation, context) => {
    const { payment, provider, providerRefunds } = donation;
    // The answer that tells us its id may still be on the way.
    if (payment?.providerPaymentId === null && isInFlight(donation, context)) return [];
    const named =
      payment === null
        ? 'we have no payment of that donation'
        : `ours is ${payment.providerPaymentId ?? 'without a provider id'}`;
    return provider
      .filter((it) => isCharge(it, providerRefunds) && it.id !== payment?.providerPaymentId)
      .map((it) => `${describe(it)}; ${named}`);
  },
};

const captureUnbooked: DonationCheck = {
  name: 'capture-unbooked',
  class: 'mismatch',
  meaning: 'The provider has taken the money, and our payment does not say so.',
  fix: 'Run `careforall replay <id>`; it asks the provider and books the capture.',
  find: (donation, context) => {
    const { payment } = donation;
    const theirs = oursAtProvider(donation);
    if (payment === null || theirs?.status !== 'succeeded' || isCaptured(payment.state)) return [];
    return isInFlight(donation, context)
      ? []
      : [`provider: ${describe(theirs)}; ours: ${payment.state} v${payment.version}`];
  },
};

const captureUnproven: DonationCheck = {
  name: 'capture-unproven',
  class: 'mismatch',
  meaning: 'Our payment counts money as captured that the provider did not take.',
  fix: 'Trust the provider: look at its events for this payment, then correct our books with a reviewed posting.',
  find: (donation) => {
    const { payment } = donation;
    if (payment === null || payment.capturedMinor === 0) return [];
    const theirs = oursAtProvider(donation);
    if (theirs?.status === 'succeeded') return [];
    const said =
      theirs === undefined
        ? `it does not know ${payment.providerPaymentId ?? 'a payment of this donation'}`
        : describe(theirs);
    return [
      `ours: ${payment.state}, ${money(payment.capturedMinor, payment.currency)} captured; provider: ${said}`,
    ];
  },
};

const amountDiffers: DonationCheck = {
  name: 'amount-differs',
  class: 'mismatch',
  meaning: 'Amount, currency, campaign or donation of the provider’s payment is not what was pledged.',
  fix: 'Refund the difference or the whole payment at the provider; nothing of a payment that differs is counted.',
  find: (donation) => {
    const { id, payment } = donation;
    const theirs = oursAtProvider(donation);
    if (payment === null || theirs === undefined) return [];
    const differences: string[] = [];
    const compare = (what: string, ours: string | null, provider: string | null): void => {
      if (ours !== provider)
        differences.push(`${what}: ours ${ours ?? 'none'}, provider ${provider ?? 'none'}`);
    };
    compare(
      'amount',
      money(payment.amountMinor, payment.currency),
      money(theirs.amountMinor, theirs.currency),
    );
    compare('donation', id, theirs.donationId);
    compare('campaign', payment.campaignId, theirs.campaignId);
    if (theirs.status === 'succeeded' && payment.capturedMinor > 0) {
      compare(
        'captured',
        money(payment.capturedMinor, payment.currency),
        money(theirs.amountReceivedMinor, theirs.currency),
      );
    }
    return differences.map((difference) => `${theirs.id}: ${difference}`);
  },
};

const authorizationUnreleased: DonationCheck = {
  name: 'authorization-unreleased',
  class: 'stuck',
  meaning: 'Our payment has ended without money, and the provider’s can still take it.',
  fix: 'Run `careforall replay <id>`, or cancel the payment at the provider.',
  find: (donation) => {
    const { payment } = donation;
    const theirs = oursAtProvider(donation);
    if (payment === null || theirs === undefined) return [];
    const ended = payment.state === 'FAILED' || payment.state === 'EXPIRED';
    const open = theirs.status !== 'canceled' && theirs.status !== 'succeeded';
    return ended && open
      ? [`ours: ${payment.state} (${payment.closedCode ?? 'no code'}); provider: ${describe(theirs)}`]
      : [];
  },
};

export const providerChecks: readonly DonationCheck[] = [
  chargedTwice,
  chargeUnknown,
  captureUnbooked,
  captureUnproven,
  amountDiffers,
  authorizationUnreleased,
];

const chargeUnattributed: ChargeCheck = {
  name: 'charge-unattributed',
  class: 'missing',
  meaning: 'The provider holds or has taken money with a payment that names no donation at all.',
  fix: 'It was not made by this system: refund it, or keep other uses of the provider’s account apart from it.',
  find: ({ payment, refunds }) =>
    isCharge(payment, refunds)
      ? [
          `${describe(payment)} of ${payment.createdAt.toISOString()}, donation_id ${payment.donationId ?? 'not set'}`,
        ]
      : [],
};

export const chargeChecks: readonly ChargeCheck[] = [chargeUnattributed];
