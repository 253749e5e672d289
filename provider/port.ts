/** The payment provider as the rest of the system sees it: amounts in minor units, answers as values, nothing thrown. */

export type ProviderPaymentStatus =
  | 'requires_payment_method'
  | 'requires_confirmation'
  | 'requires_action'
  | 'processing'
  | 'requires_capture'
  | 'canceled'
  | 'succeeded';

/** In the currency of our balance at the provider, which may be another than the payment's. */
export type ProviderFee = { readonly amountMinor: number; readonly currency: string };

export type ProviderPayment = {
  readonly id: string;
  readonly status: ProviderPaymentStatus;
  readonly amountMinor: number;
  /** Upper case ISO 4217. */
  readonly currency: string;
  readonly amountCapturableMinor: number;
  readonly amountReceivedMinor: number;
  /** From the provider's metadata: `donation_id` and `campaign_id`. */
  readonly donationId: string | null;
  readonly campaignId: string | null;
  /** The decline code of the last failed attempt, else its error code. */
  readonly lastErrorCode: string | null;
  readonly cancellationReason: string | null;
  /** The charge of the last attempt; what refunds and disputes may name instead of the payment. */
  readonly chargeId: string | null;
  /** What the provider keeps of a captured payment; null before, and wherever the answer does not tell. */
  readonly fee: ProviderFee | null;
  readonly livemode: boolean;
  readonly createdAt: Date;
};

export type UnknownReason = 'timeout' | 'connection' | 'server_error' | 'garbage' | 'in_use' | 'rate_limited';

/** Nobody may conclude from it that something happened, nor that nothing did. */
export type UnknownAnswer = {
  readonly kind: 'unknown';
  readonly reason: UnknownReason;
  readonly retryAfterMs: number | null;
  /** The provider replayed a stored answer: the same key will only ever say this again. */
  readonly replayed: boolean;
};

/** The request as we sent it can never succeed (400, 401, 403, 404): a person has to look. */
export type OurFaultAnswer = {
  readonly kind: 'our_fault';
  readonly status: number;
  readonly code: string;
  readonly message: string;
  /** The provider replayed a stored refusal: the same key will only ever say this again. */
  readonly replayed: boolean;
};

export type ProviderAnswer =
  | { readonly kind: 'yes'; readonly payment: ProviderPayment }
  | { readonly kind: 'declined'; readonly code: string; readonly payment: ProviderPayment | null }
  | OurFaultAnswer
  /** The payment is not in a state that allows the operation; `payment` says what is true. */
  | { readonly kind: 'wrong_state'; readonly payment: ProviderPayment | null }
  | UnknownAnswer;

export type ProviderPaymentPage = {
  readonly kind: 'yes';
  readonly payments: ProviderPayment[];
  /** Pass it as `startingAfter` to get the next page; null on the last one. */
  readonly nextCursor: string | null;
};

export type ProviderListAnswer = ProviderPaymentPage | OurFaultAnswer | UnknownAnswer;

export type ProviderRefundStatus = 'pending' | 'requires_action' | 'succeeded' | 'failed' | 'canceled';

export type ProviderRefund = {
  readonly id: string;
  readonly status: ProviderRefundStatus;
  readonly amountMinor: number;
  /** Upper case ISO 4217. */
  readonly currency: string;
  readonly paymentId: string | null;
  readonly chargeId: string | null;
  /** From the metadata that we send, `donation_id` and `refund_id`; null for a refund made at the provider by hand. */
  readonly donationId: string | null;
  readonly refundId: string | null;
  readonly failureReason: string | null;
  readonly createdAt: Date;
};

/** `inquiry`: a question of the bank, no money withdrawn. `opened`: withdrawn, undecided. `won`: the money is ours. */
export type ProviderDisputeStatus = 'inquiry' | 'opened' | 'won' | 'lost';

export type ProviderDispute = {
  readonly id: string;
  readonly status: ProviderDisputeStatus;
  readonly amountMinor: number;
  /** Upper case ISO 4217. */
  readonly currency: string;
  readonly paymentId: string | null;
  readonly chargeId: string | null;
  readonly reason: string | null;
  readonly createdAt: Date;
};

export type ProviderRefundAnswer =
  | { readonly kind: 'yes'; readonly refund: ProviderRefund }
  /** The provider's definitive no to this refund: nothing happened and nothing will. */
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  | OurFaultAnswer
  | UnknownAnswer;

export type ProviderDisputeAnswer =
  | { readonly kind: 'yes'; readonly dispute: ProviderDispute }
  | OurFaultAnswer
  | UnknownAnswer;

export type ProviderPage<Item> = {
  readonly kind: 'yes';
  readonly items: Item[];
  /** Pass it as `startingAfter` to get the next page; null on the last one. */
  readonly nextCursor: string | null;
};

export type ProviderPageAnswer<Item> = ProviderPage<Item> | OurFaultAnswer | UnknownAnswer;

/** With it a browser can complete the payment: for its donor alone, never logged or stored. */
export type ClientSecretAnswer =
  | { readonly kind: 'yes'; readonly clientSecret: string | null }
  | OurFaultAnswer
  | UnknownAnswer;

export type PaymentOrder = {
  readonly donationId: string;
  readonly campaignId: string;
  readonly amountMinor: number;
  readonly currency: string;
  readonly paymentMethod: string;
};

export type PaymentListPage = {
  readonly createdFrom?: Date;
  readonly startingAfter?: string;
  readonly limit?: number;
};

export type RefundOrder = {
  readonly donationId: string;
  /** Ours, a UUID: it comes back in the refund's metadata. */
  readonly refundId: string;
  readonly paymentId: string;
  readonly amountMinor: number;
  readonly currency: string;
};

/** Of refunds or disputes: all of the account, or those of one payment. */
export type MoneyBackListPage = PaymentListPage & { readonly paymentId?: string };

export interface PaymentProvider {
  readonly name: 'stripe';
  /** Manual capture, not confirmed: no money is touched. */
  createPayment(order: PaymentOrder, key: string, signal?: AbortSignal): Promise<ProviderAnswer>;
  confirmPayment(id: string, key: string, signal?: AbortSignal): Promise<ProviderAnswer>;
  capturePayment(id: string, key: string, signal?: AbortSignal): Promise<ProviderAnswer>;
  cancelPayment(id: string, key: string, signal?: AbortSignal): Promise<ProviderAnswer>;
  retrievePayment(id: string, signal?: AbortSignal): Promise<ProviderAnswer>;
  /** Newest first. */
  listPayments(page: PaymentListPage, signal?: AbortSignal): Promise<ProviderListAnswer>;
  /** Search is eventually consistent, so an empty result is no proof that there is none. */
  findByDonation(donationId: string, createdFrom: Date, signal?: AbortSignal): Promise<ProviderListAnswer>;
  createRefund(order: RefundOrder, key: string, signal?: AbortSignal): Promise<ProviderRefundAnswer>;
  retrieveRefund(id: string, signal?: AbortSignal): Promise<ProviderRefundAnswer>;
  /** Newest first. */
  listRefunds(page: MoneyBackListPage, signal?: AbortSignal): Promise<ProviderPageAnswer<ProviderRefund>>;
  retrieveDispute(id: string, signal?: AbortSignal): Promise<ProviderDisputeAnswer>;
  /** Newest first. */
  listDisputes(page: MoneyBackListPage, signal?: AbortSignal): Promise<ProviderPageAnswer<ProviderDispute>>;
  retrieveClientSecret(paymentId: string, signal?: AbortSignal): Promise<ClientSecretAnswer>;
}
