import { Command } from 'commander';
import { formatMoney, isCurrencyCode } from '../../domain/money.ts';
import { openDatabases } from '../audit/load/databases.ts';
import { loadEnvironment } from '../environment.ts';
import { EXIT, type ExitCode } from '../problem.ts';
import { count, printable, styled, table } from '../text.ts';
import { readDonations, type FoundDonation } from './donations.ts';
import { lookUp, MAX_DONATIONS } from './look-up.ts';

type Found = { readonly donations: readonly FoundDonation[]; readonly notes: readonly string[] };

export function findCommand(end: (exitCode: ExitCode) => void): Command {
  return new Command('find')
    .description('donations by whatever is at hand')
    .argument(
      '<text>',
      `a donation, campaign, refund or workflow id, an idempotency key, pi_…, ch_…, re_…, dp_…, evt_…, or the donor’s e-mail; of a campaign or donor the latest ${MAX_DONATIONS}`,
    )
    .option('--json', 'print JSON')
    .addHelpText('after', '\nEnds with 0, or with 1 when nothing was found.')
    .action(async (text: string, options: { json?: true }) => {
      const found = await find(text.trim());
      console.log(options.json ? JSON.stringify(asJson(found), null, 2) : describe(text, found));
      end(found.donations.length > 0 ? EXIT.ok : EXIT.findings);
    });
}

async function find(text: string): Promise<Found> {
  const config = loadEnvironment([
    'DONATIONS_DATABASE_URL',
    'PAYMENTS_DATABASE_URL',
    'CAMPAIGNS_DATABASE_URL',
    'NOTIFICATIONS_DATABASE_URL',
  ]);
  await using opened = new AsyncDisposableStack();
  const databases = openDatabases({
    donations: config.DONATIONS_DATABASE_URL,
    payments: config.PAYMENTS_DATABASE_URL,
    campaigns: config.CAMPAIGNS_DATABASE_URL,
    notifications: config.NOTIFICATIONS_DATABASE_URL,
  });
  opened.defer(() => databases.close());
  const snapshot = await databases.snapshot();
  opened.defer(() => snapshot.close());
  const { matches, notes } = await lookUp(snapshot, text);
  return { donations: await readDonations(snapshot, matches), notes };
}

function asJson({ donations, notes }: Found): object {
  return { donations: donations.map((donation) => ({ ...donation, watch: watchLine(donation) })), notes };
}

function watchLine({ id }: FoundDonation): string {
  return `npm run careforall -- watch ${id}`;
}

function describe(text: string, { donations, notes }: Found): string {
  const shownNotes = notes.map((note) => styled('dim', printable(note)));
  const [first] = donations;
  if (first === undefined)
    return [...shownNotes, styled('yellow', `No donation is known by ${printable(text)}.`)].join('\n');
  const rows = table(donations.map(cellsOf));
  const means = [...new Set(donations.flatMap(({ by }) => by))].join(', ');
  const line = donations.length === 1 ? watchLine(first) : 'npm run careforall -- watch ID';
  return [
    ...shownNotes,
    ...rows,
    '',
    `${count(donations.length, 'donation')} by ${means}. Its story: ${line}`,
  ].join('\n');
}

function cellsOf(donation: FoundDonation): string[] {
  const { id, status, amount, currency, campaignId, acceptedAt, providerPaymentId } = donation;
  const money = isCurrencyCode(currency)
    ? formatMoney({ amountMinor: amount, currency })
    : `${amount} ${currency}`;
  return [
    id,
    status ?? 'not pledged yet',
    money,
    `campaign ${campaignId}`,
    acceptedAt?.toISOString() ?? 'never accepted',
    providerPaymentId ?? 'not known to the provider yet',
  ].map(printable);
}
