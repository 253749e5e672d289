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
  refund: 'payment.refund_changed.v1',
  dispute: 'payment.dispute_changed.v1',
};
const EVENT_OF_END: Readonly<Partial<Record<PaymentStatus, string>>> = {
  FAILED: 'donation.failed.v1',
  EXPIRED: 'donation.expired.v1',
  CAPTURED: 'donation.captured.v1',
  PARTIALLY_REFUNDED: 'donation.refunded.v1',
  REFUNDED: 'donation.refunded.v1',
};

/** `service type version` of each event that must have been written in the transaction of its fact. */
function expectedEvents({ pledge, transitions }: DonationSnapshot): string[] {
  const events = transitions.map(({ version, change }) => {
    const type: unknown =
      typeof change === 'object' && change !== null ? Reflect.get(change, 'type') : undefined;
    return `payments ${EVENT_OF_CHANGE[String(type)] ?? `(event of "${String(type)}")`} v${version}`;
  });
  if (pledge === null) return events;
  events.push('donations donation.pledged.v1 v0');
  const end = RANK[pledge.status] >= RANK.FAILED ? EVENT_OF_END[pledge.status] : undefined;
  if (end !== undefined) events.push(`donations ${end} v${pledge.version}`);
  return events;
}

const label = ({ service, type, version }: OutboxRow): string => `${service} ${type} v${version}`;

const eventMissing: DonationCheck = {
  name: 'event-missing',
  class: 'missing',
  meaning: 'A pledge or a change of a payment has no row in the outbox: nobody was told, or ever will be.',
  fix: 'Insert the outbox row in a reviewed migration; its id derives from aggregate, version and type.',
  find: (donation) => {
    const written = new Set(donation.outbox.map(label));
    return expectedEvents(donation)
      .filter((event) => !written.has(event))
      .map((event) => `${event} was never written`);
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
  eventUnpublished,
  receiptMissing,
  receiptUnearned,
  receiptDiffers,
];
export const campaignEventChecks: readonly CampaignCheck[] = [campaignEventUnpublished];
