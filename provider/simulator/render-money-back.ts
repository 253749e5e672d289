import type { ChargeRecord, DisputeRecord, RefundRecord, StripeObject } from './records.ts';

/** https://docs.stripe.com/api/refunds/object */
export function renderRefund(refund: RefundRecord): StripeObject {
  return {
    id: refund.id,
    object: 'refund',
    amount: refund.amount,
    charge: refund.chargeId,
    created: refund.created,
    currency: refund.currency,
    ...(refund.failureReason === null ? {} : { failure_reason: refund.failureReason }),
    metadata: refund.metadata,
    payment_intent: refund.intentId,
    ...(refund.status === 'pending' ? { pending_reason: 'processing' } : {}),
    reason: refund.reason,
    receipt_number: null,
    source_transfer_reversal: null,
    status: refund.status,
    transfer_reversal: null,
  };
}

/** https://docs.stripe.com/api/disputes/object */
export function renderDispute(dispute: DisputeRecord, livemode: boolean): StripeObject {
  const inquiry = dispute.status.startsWith('warning_');
  return {
    id: dispute.id,
    object: 'dispute',
    amount: dispute.amount,
    balance_transactions: dispute.movements.map(({ id, created, amount }) => ({
      id,
      object: 'balance_transaction',
      amount,
      created,
      currency: dispute.currency,
      fee: 0,
      net: amount,
      reporting_category: amount < 0 ? 'dispute' : 'dispute_reversal',
      source: dispute.id,
      type: 'adjustment',
    })),
    charge: dispute.chargeId,
    created: dispute.created,
    currency: dispute.currency,
    enhanced_eligibility_types: [],
    evidence: {},
    evidence_details: { due_by: null, has_evidence: false, past_due: false, submission_count: 0 },
    is_charge_refundable: inquiry,
    livemode,
    metadata: {},
    payment_intent: dispute.intentId,
    payment_method_details: {
      card: { brand: 'visa', case_type: inquiry ? 'inquiry' : 'chargeback', network_reason_code: null },
      type: 'card',
    },
    reason: dispute.reason,
    status: dispute.status,
  };
}

/** https://docs.stripe.com/api/balance_transactions/object; null before the capture. */
export function renderBalanceTransaction(charge: ChargeRecord): StripeObject | null {
  if (charge.balanceTransaction === null) return null;
  const fee = charge.fee ?? 0;
  return {
    id: charge.balanceTransaction,
    object: 'balance_transaction',
    amount: charge.amountCaptured,
    created: charge.created,
    currency: charge.currency,
    exchange_rate: null,
    fee,
    fee_details: [
      {
        amount: fee,
        application: null,
        currency: charge.currency,
        description: 'Stripe processing fees',
        type: 'stripe_fee',
      },
    ],
    net: charge.amountCaptured - fee,
    reporting_category: 'charge',
    source: charge.id,
    status: 'pending',
    type: 'charge',
  };
}
