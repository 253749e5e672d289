/** The outbox and what its events cause: was everything told that happened, and did it arrive? */
import { RANK, type PaymentStatus } from '../../../domain/payment.ts';
import { isCaptured, isOld, type AuditContext, type CampaignCheck, type DonationCheck } from '../check.ts';
import type { DonationSnapshot, OutboxRow, ReceiptRow } from '../snapshot.ts';
import { money } from './provider.ts';

/** Written down here once more, on purpose: shared with the writer, a wrong name would look right. */
const EVENT_OF_CHANGE: Readonly<Record<string, string>> = {
  authorized: 'payment.authorized.v1',
  captured: 'payment.captured.v1',
  closed: 'payment.closed.v1',
  'refund pending': 'refund.requested.v1',
  'refund succeeded': 'refund.succeeded.v1',
  'refund failed': 'refund.failed.v1',
  'dispute opened': 'dispute.opened.v1',
  'dispute won': 'dispute.won.v1',
  'dispute lost': 'dispute.lost.v1',
};
const EVENT_OF_END: Readonly<Partial<Record<PaymentStatus, string>>> = {
  FAILED: 'donation.failed.v1',
  EXPIRED: 'donation.expired.v1',
  CAPTURED: 'donation.captured.v1',
  PARTIALLY_REFUNDED: 'donation.refunded.v1',
  REFUNDED: 'donation.refunded.v1',
};

/** Of what a transition changed, and to what. */
function nameOf(change: unknown): string {
  if (typeof change !== 'object' || change === null) return 'nothing';
  const type = String(Reflect.get(change, 'type'));
  return type === 'refund' || type === 'dispute' ? `${type} ${String(Reflect.get(change, 'status'))}` : type;
}

/** `service type version` of each event that must have been written in the transaction of its change. */
function eventsOfTransitions({ transitions }: DonationSnapshot): string[] {
  return transitions.map(({ version, change }) => {
    const name = nameOf(change);
    return `payments ${EVENT_OF_CHANGE[name] ?? `(event of "${name}")`} v${version}`;
  });
}

/** The newest event of the pledge has to tell the status that it has; changes that leave the status are no news. */
function missingEventsOfPledge({ pledge, outbox, transitions }: DonationSnapshot): string[] {
  if (pledge === null) return [];
  const told = outbox.filter(({ service, version }) => service === 'donations' && version <= pledge.version);
  const missing = told.some(({ type }) => type === 'donation.pledged.v1')
    ? []
    : ['donations donation.pledged.v1 v0'];
  const type = RANK[pledge.status] >= RANK.FAILED ? EVENT_OF_END[pledge.status] : undefined;
  if (type === undefined) return missing;
  const newest = Math.max(0, ...told.map(({ version }) => version));
  const had = transitions.find(({ version }) => version === newest)?.toState;
  // Both degrees of refunded have one type: which of them it told, its version says.
  const sameDegree = type !== EVENT_OF_END.REFUNDED || had === pledge.status;
  return sameDegree && told.some((row) => row.type === type && row.version === newest)
    ? missing
    : [...missing, `donations ${type} v${pledge.version}`];
}

const EVENT_OF_LATE_MONEY: Readonly<Record<string, string>> = {
  kept: 'late_capture.kept.v1',
  refunded: 'late_capture.refunded.v1',
};

/** It was decided at some version: there is one event of it, with the decision. */
function missingEventOfLateMoney({ payment, outbox }: DonationSnapshot): string[] {
  const type = EVENT_OF_LATE_MONEY[payment?.lateMoney ?? ''];
  return type === undefined || outbox.some((row) => row.type === type)
    ? []
    : [`payments ${type} v${payment?.version ?? 0}`];
}

const label = ({ service, type, version }: OutboxRow): string => `${service} ${type} v${version}`;

const eventMissing: DonationCheck = {
  name: 'event-missing',
  class: 'missing',
  meaning: 'A pledge or a change of a payment has no row in the outbox: nobody was told, or ever will be.',
  fix: 'Insert the outbox row in a reviewed migration; its id derives from aggregate, version and type.',
  find: (donation) => {
    const written = new Set(donation.outbox.map(label));
    return [
      ...eventsOfTransitions(donation).filter((event) => !written.has(event)),
      ...missingEventsOfPledge(donation),
      ...missingEventOfLateMoney(donation),
    ].map((event) => `${event} was never written`);
  },
};

const eventUnexplained: DonationCheck = {
  name: 'event-unexplained',
  class: 'duplicate',
  meaning: 'The outbox tells of a change of the payment that was never made, or tells of one twice.',
  fix: 'Whoever heard it may have acted on it: find the writer, then tell them with a correcting event.',
  find: (donation) => {
    const expected = new Set(eventsOfTransitions(donation));
    const late = EVENT_OF_LATE_MONEY[donation.payment?.lateMoney ?? ''];
    const surplus = donation.outbox.filter((row) => row.service === 'payments' && !expected.has(label(row)));
    const first = surplus.find(({ type }) => type === late);
    return surplus.filter((row) => row !== first).map((row) => `${label(row)} comes from nowhere`);
  },
};

function unpublished(outbox: readonly OutboxRow[], context: AuditContext): string[] {
  return outbox
    .filter(
      (row) =>
        row.processedAt === null &&
        (row.parkedAt !== null || (context.broker && isOld(row.createdAt, context))),
    )
    .map(
      (row) =>
        `${label(row)} of ${row.createdAt.toISOString()} is ${row.parkedAt === null ? 'not published' : 'parked'}${row.lastError === null ? '' : `: ${row.lastError}`}`,
    );
}

const UNPUBLISHED = {
  name: 'event-unpublished',
  class: 'stuck',
  meaning: 'An event waits in the outbox for longer than it should.',
  fix: 'See that RabbitMQ and the relay run (`npm start`); a parked row goes on with `UPDATE outbox_events SET parked_at = NULL WHERE id = …`.',
} as const;

const eventUnpublished: DonationCheck = {
  ...UNPUBLISHED,
  find: ({ outbox }, context) => unpublished(outbox, context),
};
const campaignEventUnpublished: CampaignCheck = {
  ...UNPUBLISHED,
  name: 'campaign-event-unpublished',
  find: ({ outbox }, context) => unpublished(outbox, context),
};

const receiptMissing: DonationCheck = {
  name: 'receipt-missing',
  class: 'missing',
  meaning: 'A donor who has given is owed a receipt.',
  fix: "Publish it again: `UPDATE outbox_events SET processed = false, processed_at = NULL WHERE type = 'donation.captured.v1' AND aggregate_id = '<id>'`.",
  find: ({ receipt, outbox }, context) => {
    if (!context.broker || receipt !== null) return [];
    const published =
      outbox.find(({ service, type }) => service === 'donations' && type === 'donation.captured.v1')
        ?.processedAt ?? null;
    return published !== null && isOld(published, context)
      ? [`captured was published at ${published.toISOString()}, there is no receipt`]
      : [];
  },
};

const receiptUnearned: DonationCheck = {
  name: 'receipt-unearned',
  class: 'duplicate',
  meaning: 'There is a receipt for money that was not captured.',
  fix: 'Withdraw the receipt and tell the donor.',
  find: ({ receipt, payment }) =>
    receipt !== null && (payment === null || !isCaptured(payment.state))
      ? [`a receipt, and the payment is ${payment?.state ?? 'unknown'}`]
      : [],
};

const receiptDiffers: DonationCheck = {
  name: 'receipt-differs',
  class: 'mismatch',
  meaning: 'The receipt names another amount or campaign than the donation.',
  fix: 'Withdraw the receipt and send a correct one.',
  find: ({ receipt, pledge }) => {
    if (receipt === null || pledge === null) return [];
    const terms = ({ amountMinor, currency, campaignId }: ReceiptRow): string =>
      `${money(amountMinor, currency)} for ${campaignId}`;
    const [has, should] = [terms(receipt), terms(pledge)];
    return has === should ? [] : [`the receipt says ${has}, the pledge ${should}`];
  },
};

export const eventChecks: readonly DonationCheck[] = [
  eventMissing,
  eventUnexplained,
  eventUnpublished,
  receiptMissing,
  receiptUnearned,
  receiptDiffers,
];
export const campaignEventChecks: readonly CampaignCheck[] = [campaignEventUnpublished];
