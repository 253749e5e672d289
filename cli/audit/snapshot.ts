/** What the audit compares: everything that every part of the system says about one donation, and about one campaign. */
import type { DisputeStatus, PaymentStatus, RefundStatus } from '../../domain/payment.ts';
import type { Totals, TotalsEntryKind } from '../../domain/totals.ts';
import type { ProviderDispute, ProviderPayment, ProviderRefund } from '../../provider/port.ts';

export type RequestRow = {
  readonly campaignId: string;
  readonly amountMinor: number;
  readonly currency: string;
  readonly acceptedAt: Date;
  readonly startedAt: Date | null;
  /** The donor's cancel, and the claim of the capture: whichever came first forbids the other. */
  readonly cancelRequestedAt: Date | null;
  readonly captureStartedAt: Date | null;
  readonly parkedAt: Date | null;
  readonly lastError: string | null;
};

export type PledgeRow = {
  readonly campaignId: string;
  readonly amountMinor: number;
  readonly currency: string;
  readonly status: PaymentStatus;
  readonly version: number;
  readonly updatedAt: Date;
};

export type PaymentRow = {
  readonly campaignId: string;
  readonly providerPaymentId: string | null;
  readonly providerChargeId: string | null;
  readonly amountMinor: number;
  readonly currency: string;
  readonly state: PaymentStatus;
  readonly authorized: boolean;
  readonly closedAs: 'FAILED' | 'EXPIRED' | null;
  readonly closedCode: string | null;
  readonly capturedMinor: number;
  readonly refundedMinor: number;
  readonly reservedMinor: number;
  readonly feeMinor: number | null;
  readonly feeCurrency: string | null;
  readonly waitingFor: 'action' | 'processing' | null;
  readonly lateMoney: 'undecided' | 'kept' | 'refunded' | null;
  readonly version: number;
  readonly needsReview: string | null;
  readonly createdAt: Date;
};

export type OperationRow = {
  readonly operation: string;
  readonly n: number;
  /** Ours; of a refund alone. */
  readonly refundId: string | null;
  readonly attempts: number;
  readonly lastReason: string | null;
  readonly startedAt: Date;
  readonly answeredAt: Date | null;
};

/** `change` and `entries` are as stored: the checks read them with suspicion. */
export type TransitionRow = {
  readonly version: number;
  readonly fromState: string;
  readonly toState: string;
  readonly change: unknown;
  readonly entries: unknown;
  readonly at: Date;
};

export type RefundRow = {
  /** Ours; the transitions name it. */
  readonly id: string;
  readonly providerRefundId: string | null;
  readonly amountMinor: number;
  readonly status: RefundStatus;
  readonly requestedBy: string;
  readonly failureCode: string | null;
  readonly createdAt: Date;
};
export type DisputeRow = {
  readonly id: string;
  readonly providerDisputeId: string;
  readonly amountMinor: number;
  readonly status: DisputeStatus;
};

export type LedgerLine = {
  readonly postingId: string;
  readonly account: string;
  readonly amountMinor: number;
  readonly currency: string;
};

export type AppliedEntry = {
  readonly entryId: string;
  readonly campaignId: string;
  readonly donationId: string;
  readonly kind: TotalsEntryKind;
  readonly amountMinor: number;
};

export type OutboxService = 'donations' | 'payments' | 'campaigns';

export type OutboxRow = {
  readonly service: OutboxService;
  readonly id: string;
  readonly version: number;
  readonly type: string;
  readonly createdAt: Date;
  readonly processedAt: Date | null;
  readonly parkedAt: Date | null;
  readonly lastError: string | null;
};

export type ReceiptRow = {
  readonly campaignId: string;
  readonly amountMinor: number;
  readonly currency: string;
};

/** What a person was told besides the receipt; `messageId` is the id of the outbox event that caused it. */
export type NoticeRow = {
  readonly messageId: string;
  readonly kind: string;
  readonly amountMinor: number;
  readonly currency: string;
};

/** What a workflow has to be told. */
export type CommandRow = {
  readonly service: 'donations' | 'payments';
  readonly id: string;
  readonly type: string;
  readonly createdAt: Date;
  readonly deliveredAt: Date | null;
  readonly parkedAt: Date | null;
  readonly lastError: string | null;
};

/** A stored provider event that nobody has finished with. */
export type WebhookRow = {
  readonly eventId: string;
  readonly type: string;
  readonly donationId: string | null;
  /** The payment that it is about, where it names one. */
  readonly objectId: string;
  readonly chargeId: string | null;
  readonly receivedAt: Date;
  readonly deliveredAt: Date | null;
  readonly parkedAt: Date | null;
  readonly lastError: string | null;
};

export type WorkflowStatus =
  | 'RUNNING'
  | 'COMPLETED'
  | 'FAILED'
  | 'CANCELLED'
  | 'TERMINATED'
  | 'CONTINUED_AS_NEW'
  | 'TIMED_OUT'
  | 'UNKNOWN';

export type WorkflowRun = {
  readonly runId: string;
  readonly status: WorkflowStatus;
  readonly startedAt: Date;
  readonly closedAt: Date | null;
  readonly needsAttention: boolean;
  /** What it returned; null when it did not complete, or was not read. */
  readonly result: { readonly status: string; readonly version: number } | null;
};

export type DonationSnapshot = {
  readonly id: string;
  readonly request: RequestRow | null;
  readonly pledge: PledgeRow | null;
  readonly payment: PaymentRow | null;
  readonly operations: readonly OperationRow[];
  readonly transitions: readonly TransitionRow[];
  readonly refunds: readonly RefundRow[];
  readonly disputes: readonly DisputeRow[];
  readonly ledger: readonly LedgerLine[];
  readonly applied: readonly AppliedEntry[];
  readonly outbox: readonly OutboxRow[];
  readonly receipt: ReceiptRow | null;
  readonly notices: readonly NoticeRow[];
  readonly commands: readonly CommandRow[];
  /** Every payment at the provider whose metadata names this donation, and the one that our row names. */
  readonly provider: readonly ProviderPayment[];
  /** Of those payments, and all that name this donation themselves. */
  readonly providerRefunds: readonly ProviderRefund[];
  readonly providerDisputes: readonly ProviderDispute[];
  /** When the provider told something of it that is not applied yet. */
  readonly openEvents: readonly Date[];
  /** The newest run of each; null when Temporal knows of none. */
  readonly workflow: WorkflowRun | null;
  readonly aftercare: WorkflowRun | null;
};

export type CampaignSnapshot = {
  readonly id: string;
  readonly currency: string;
  readonly version: number;
  readonly totals: (Totals & { readonly version: number; readonly updatedAt: Date }) | null;
  /** The applied entries added up again, each through the domain's own arithmetic. */
  readonly recomputed: Totals;
  /** Entries that could not be added because a total would have become negative. */
  readonly refusedEntries: readonly string[];
  /** Of the donations on which everything else agrees: what the ledger owes it for them, and what its totals count of them. */
  readonly payable: { readonly ledgerMinor: number; readonly countedMinor: number };
  /** Its newest `campaign.changed` and `campaign.totals_changed` rows, and all that is not published. */
  readonly outbox: readonly OutboxRow[];
};

/** A payment at the provider that names no donation of ours. */
export type ChargeSnapshot = {
  readonly payment: ProviderPayment;
  readonly refunds: readonly ProviderRefund[];
};

/** Money at the provider that stands in our ledger under the provider's own id, because no payment of ours explains it. */
export type SuspenseSnapshot = {
  readonly providerPaymentId: string;
  readonly lines: readonly LedgerLine[];
  /** The donation whose payment names it after all. */
  readonly donationId: string | null;
  /** Null when the provider does not know it. */
  readonly provider: ProviderPayment | null;
};
