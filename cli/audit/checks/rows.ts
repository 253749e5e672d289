/** The same donation in the databases of several services: does each have its part, and do the parts agree? */
import { RANK } from '../../../domain/payment.ts';
import { isInFlight, isMoving, type DonationCheck } from '../check.ts';
import type { DonationSnapshot } from '../snapshot.ts';
import { isCharge, money } from './provider.ts';

const requestMissing: DonationCheck = {
  name: 'request-missing',
  class: 'missing',
  meaning: 'Work was done for a donation that nobody asked for: no accepted request has its id.',
  fix: 'Restore the row of donation_requests from a backup; without it the same key could charge again.',
  find: ({ request, pledge, payment, applied, workflow, provider, providerRefunds }) => {
    if (request !== null) return [];
    const found = [
      pledge === null ? [] : `a pledge ${pledge.status}`,
      payment === null ? [] : `a payment ${payment.state}`,
      applied.length === 0 ? [] : `${applied.length} totals entries`,
      workflow === null ? [] : `a workflow ${workflow.status}`,
    ].flat();
    // What only the provider knows is reported as such, when it is money.
    return found.length > 0 && !provider.some((it) => isCharge(it, providerRefunds) && payment === null)
      ? [`there is ${found.join(', ')}`]
      : [];
  },
};

const pledgeMissing: DonationCheck = {
  name: 'pledge-missing',
  class: 'missing',
  meaning: 'A payment was begun before its pledge was written down.',
  fix: 'Run `careforall replay <id>`; persistPledge writes it.',
  find: ({ pledge, payment }) =>
    payment !== null && pledge === null ? [`payment ${payment.state} v${payment.version}, no pledge`] : [],
};

const paymentMissing: DonationCheck = {
  name: 'payment-missing',
  class: 'missing',
  meaning: 'The pledge tells of a payment that the payments service does not have.',
  fix: 'Restore the payments database: its rows are never deleted by us.',
  find: ({ pledge, payment }) =>
    pledge !== null && pledge.version > 0 && payment === null
      ? [`pledge ${pledge.status} v${pledge.version}, no payment`]
      : [],
};

const termsDiffer: DonationCheck = {
  name: 'terms-differ',
  class: 'mismatch',
  meaning:
    'Request, pledge and payment disagree about amount, currency or campaign, or the campaign takes another currency.',
  fix: 'The accepted request is what the donor asked for; find out which write was wrong before touching anything.',
  find: ({ request, pledge, payment }, { currencies }) => {
    const findings: string[] = [];
    const parts = Object.entries({ request, pledge, payment }).flatMap(([name, row]) =>
      row === null ? [] : [{ name, ...row }],
    );
    const [first, ...others] = parts;
    if (first === undefined) return [];
    for (const other of others) {
      const [a, b] = [money(first.amountMinor, first.currency), money(other.amountMinor, other.currency)];
      if (a !== b) findings.push(`${first.name} ${a}, ${other.name} ${b}`);
      if (first.campaignId !== other.campaignId)
        findings.push(`${first.name} campaign ${first.campaignId}, ${other.name} ${other.campaignId}`);
    }
    const taken = currencies.get(first.campaignId);
    if (taken !== first.currency)
      findings.push(
        `${first.name} in ${first.currency}, campaign ${first.campaignId} ${taken === undefined ? 'does not exist' : `takes ${taken}`}`,
      );
    return findings;
  },
};

const statusDiffers: DonationCheck = {
  name: 'status-differs',
  class: 'mismatch',
  meaning: 'The donor is shown another status than the one the payment has.',
  fix: 'Run `careforall replay <id>`; recordOutcome mirrors the payment again.',
  find: (donation, context) => {
    const { pledge, payment } = donation;
    if (pledge === null || payment === null) return [];
    const ahead = pledge.version > payment.version;
    const differs = pledge.version === payment.version && pledge.status !== payment.state;
    // A pledge follows its payment when the workflow comes to an end, or claims the capture.
    const behind =
      pledge.version < payment.version &&
      RANK[payment.state] >= RANK.FAILED &&
      !isInFlight(donation, context) &&
      !isMoving(donation, context) &&
      (pledge.status !== payment.state || !hasWork(donation));
    if (!ahead && !differs && !behind) return [];
    return [`pledge ${pledge.status} v${pledge.version}, payment ${payment.state} v${payment.version}`];
  },
};

/** What its workflow has still to be told, or to make: the pledge follows when that is done. */
function hasWork({ commands, refunds }: DonationSnapshot): boolean {
  return (
    commands.some(({ deliveredAt }) => deliveredAt === null) ||
    refunds.some(({ status, providerRefundId }) => status === 'pending' && providerRefundId === null)
  );
}

export const rowChecks: readonly DonationCheck[] = [
  requestMissing,
  pledgeMissing,
  paymentMissing,
  termsDiffer,
  statusDiffers,
];
