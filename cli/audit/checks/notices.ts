/** What people are told besides the receipt: once for each event that was published, and about the right money. */
import { isOld, type DonationCheck } from '../check.ts';
import type { DonationSnapshot, NoticeRow, OutboxRow } from '../snapshot.ts';
import { money } from './provider.ts';

/** Written down here once more, on purpose: a type that nobody listens to would look right. */
const TOLD: ReadonlySet<string> = new Set([
  'refund.succeeded.v1',
  'refund.failed.v1',
  'dispute.opened.v1',
  'dispute.won.v1',
  'dispute.lost.v1',
  'late_capture.kept.v1',
  'late_capture.refunded.v1',
]);

function toldEvents({ outbox }: DonationSnapshot): OutboxRow[] {
  return outbox.filter(({ service, type }) => service === 'payments' && TOLD.has(type));
}

const noticeMissing: DonationCheck = {
  name: 'notice-missing',
  class: 'missing',
  meaning: 'Money went back, came late or is disputed, and nobody was told.',
  fix: "Publish it again: `UPDATE outbox_events SET processed = false, processed_at = NULL WHERE aggregate_id = '<id>' AND type = …` in the payments database.",
  find: (donation, context) => {
    if (!context.broker) return [];
    const noted = new Set(donation.notices.map(({ messageId }) => messageId));
    return toldEvents(donation)
      .filter(({ id, processedAt }) => processedAt !== null && isOld(processedAt, context) && !noted.has(id))
      .map(
        ({ type, version, processedAt }) =>
          `${type} v${version} was published at ${processedAt?.toISOString() ?? ''}, nobody was told`,
      );
  },
};

const noticeUnearned: DonationCheck = {
  name: 'notice-unearned',
  class: 'duplicate',
  meaning: 'People were told of something that no event tells.',
  fix: 'Find out what published it; then tell them what is true.',
  find: (donation) => {
    const events = new Set(toldEvents(donation).map(({ id }) => id));
    return donation.notices
      .filter(({ messageId }) => !events.has(messageId))
      .map((notice) => `${describe(notice)} by message ${notice.messageId}`);
  },
};

const noticeDiffers: DonationCheck = {
  name: 'notice-differs',
  class: 'mismatch',
  meaning: 'People were told something else than what happened.',
  fix: 'Tell them what is true; the transition says it.',
  find: (donation) => {
    const { payment, transitions, notices } = donation;
    return toldEvents(donation).flatMap((event) => {
      const notice = notices.find(({ messageId }) => messageId === event.id);
      const change = transitions.find(({ version }) => version === event.version)?.change;
      if (notice === undefined || payment === null) return [];
      const kind = event.type.replace(/\.v\d+$/, '');
      // The amount of late money is no transition's: it is what was left when it was decided.
      const amount: unknown =
        kind.startsWith('late_capture') || typeof change !== 'object' || change === null
          ? notice.amountMinor
          : Reflect.get(change, 'amountMinor');
      const should = describe({ kind, amountMinor: Number(amount), currency: payment.currency });
      return describe(notice) === should ? [] : [`told ${describe(notice)}, happened ${should}`];
    });
  },
};

function describe({ kind, amountMinor, currency }: Omit<NoticeRow, 'messageId'>): string {
  return `${kind} ${money(amountMinor, currency)}`;
}

export const noticeChecks: readonly DonationCheck[] = [noticeMissing, noticeUnearned, noticeDiffers];
