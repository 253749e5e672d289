/** The checks of the audit, by what they look at. */
import type { AnyCheck, CampaignCheck, DonationCheck } from '../check.ts';
import { disputeChecks } from './disputes.ts';
import { entryChecks } from './entries.ts';
import { campaignEventChecks, eventChecks } from './events.ts';
import { factChecks } from './facts.ts';
import { ledgerChecks, suspenseChecks } from './ledger.ts';
import { noticeChecks } from './notices.ts';
import { progressChecks, webhookChecks } from './progress.ts';
import { chargeChecks, providerChecks } from './provider.ts';
import { refundChecks } from './refunds.ts';
import { rowChecks } from './rows.ts';
import { totalsChecks } from './totals.ts';

export const donationChecks: readonly DonationCheck[] = [
  ...providerChecks,
  ...refundChecks,
  ...disputeChecks,
  ...rowChecks,
  ...factChecks,
  ...ledgerChecks,
  ...entryChecks,
  ...eventChecks,
  ...noticeChecks,
  ...progressChecks,
];
export const campaignChecks: readonly CampaignCheck[] = [...totalsChecks, ...campaignEventChecks];
export { chargeChecks, suspenseChecks, webhookChecks };

/** Every check, in the order of the report. */
export const allChecks: readonly AnyCheck[] = [
  ...donationChecks,
  ...campaignChecks,
  ...webhookChecks,
  ...chargeChecks,
  ...suspenseChecks,
];
