/** The payment provider as the rest of the system sees it: amounts in minor units, answers as values, nothing thrown. */

export type ProviderPaymentStatus =
  | 'requires_payment_method'
  | 'requires_confirmation'
  | 'requires_action'
  | 'processing'
  | 'requires_capture'
  | 'canceled'
  | 'succeeded';

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
}
