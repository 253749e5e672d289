/** What operators find donations by in the Web UI and with `temporal workflow list --query`. */
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from '@temporalio/common';

/** Registered with Temporal before the first start; `NeedsAttention` is set by the workflows. */
export const SEARCH_ATTRIBUTES = {
  CampaignId: 'Keyword',
  IdempotencyKeyHash: 'Keyword',
  AmountMinor: 'Int',
  Currency: 'Keyword',
  NeedsAttention: 'Bool',
} as const;

const CAMPAIGN_ID = defineSearchAttributeKey('CampaignId', SearchAttributeType.KEYWORD);
const IDEMPOTENCY_KEY_HASH = defineSearchAttributeKey('IdempotencyKeyHash', SearchAttributeType.KEYWORD);
const AMOUNT_MINOR = defineSearchAttributeKey('AmountMinor', SearchAttributeType.INT);
const CURRENCY = defineSearchAttributeKey('Currency', SearchAttributeType.KEYWORD);

/** Set once at start: each later change of one would cost the server a transition. */
export function donationSearchAttributes(donation: {
  readonly campaignId: string;
  readonly amountMinor: number;
  readonly currency: string;
  readonly idempotencyKeyHash?: string;
}): TypedSearchAttributes {
  const { campaignId, amountMinor, currency, idempotencyKeyHash } = donation;
  return new TypedSearchAttributes([
    { key: CAMPAIGN_ID, value: campaignId },
    { key: AMOUNT_MINOR, value: amountMinor },
    { key: CURRENCY, value: currency },
    ...(idempotencyKeyHash === undefined ? [] : [{ key: IDEMPOTENCY_KEY_HASH, value: idempotencyKeyHash }]),
  ]);
}
