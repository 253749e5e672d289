import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import type {
  PaymentOrder,
  PaymentProvider,
  ProviderAnswer,
  ProviderPage,
  ProviderPageAnswer,
  ProviderPayment,
  ProviderRefund,
  ProviderRefundAnswer,
  RefundOrder,
} from '../../provider/port.ts';

export function newOrder(change: Partial<PaymentOrder> = {}): PaymentOrder {
  return {
    donationId: randomUUID(),
    campaignId: randomUUID(),
    amountMinor: 2_500,
    currency: 'USD',
    paymentMethod: 'pm_card_visa',
    ...change,
  };
}

export function newKey(): string {
  return `${randomUUID()}:test:1`;
}

export function paymentOf(answer: ProviderAnswer): ProviderPayment {
  expect(answer).toMatchObject({ kind: 'yes' });
  if (answer.kind !== 'yes') throw new Error('No payment in the answer');
  return answer.payment;
}

export async function created(
  provider: PaymentProvider,
  change: Partial<PaymentOrder> = {},
): Promise<ProviderPayment> {
  return paymentOf(await provider.createPayment(newOrder(change), newKey()));
}

export async function authorized(
  provider: PaymentProvider,
  change: Partial<PaymentOrder> = {},
): Promise<ProviderPayment> {
  const { id } = await created(provider, change);
  return paymentOf(await provider.confirmPayment(id, newKey()));
}

export async function captured(
  provider: PaymentProvider,
  change: Partial<PaymentOrder> = {},
): Promise<ProviderPayment> {
  const { id } = await authorized(provider, change);
  return paymentOf(await provider.capturePayment(id, newKey()));
}

/** Of all that was received, unless told. */
export function newRefund(payment: ProviderPayment, change: Partial<RefundOrder> = {}): RefundOrder {
  return {
    donationId: payment.donationId ?? '',
    refundId: randomUUID(),
    paymentId: payment.id,
    amountMinor: payment.amountReceivedMinor,
    currency: payment.currency,
    ...change,
  };
}

export async function refunded(
  provider: PaymentProvider,
  payment: ProviderPayment,
  amountMinor = payment.amountReceivedMinor,
): Promise<ProviderRefund> {
  return refundOf(await provider.createRefund(newRefund(payment, { amountMinor }), newKey()));
}

export function refundOf(answer: ProviderRefundAnswer): ProviderRefund {
  expect(answer).toMatchObject({ kind: 'yes' });
  if (answer.kind !== 'yes') throw new Error('No refund in the answer');
  return answer.refund;
}

export function pageOf<Item>(answer: ProviderPageAnswer<Item>): ProviderPage<Item> {
  expect(answer).toMatchObject({ kind: 'yes' });
  if (answer.kind !== 'yes') throw new Error('No page in the answer');
  return answer;
}
