/** The end of the story, in words and tables. */
import { styleText } from 'node:util';
import { printReport } from '../../cli/audit/print.ts';
import type { Report } from '../../cli/audit/report.ts';
import { table } from '../../cli/text.ts';
import { formatMoney } from '../../domain/money.ts';
import { say, TICK } from '../screen.ts';
import type { Books } from './books.ts';
import type { Sighting } from './faults.ts';
import { SENDS_PER_KEY } from './storm.ts';
import { agree, type Findings } from './verdict.ts';

const CROSS = styleText('red', '✗');

export function tellFindings({ sightings, books, records, charges, ...rest }: FindingsWithReport): void {
  heading('What went wrong on purpose, and how often it was seen');
  tellSightings(sightings);
  heading('The money, by four witnesses');
  tellBooks(books);
  const answers = records.reduce((sum, record) => sum + record.answers, 0);
  const declined = records.filter(({ gift }) => !gift.approved).length;
  say('');
  say(
    `  ${charges.wrong === 0 ? TICK : CROSS} each key sent ${SENDS_PER_KEY} times, ${answers.toLocaleString('en-US')} answers, ` +
      `${charges.wrong === 0 ? '1 charge each' : `${charges.wrong} charged wrongly`} (none for the ${declined} declined cards)`,
  );
  heading('The audit: provider, payments, ledger, pledges, totals, events, receipts and workflows compared');
  say(indent(printReport(rest.report, false)));
}

type FindingsWithReport = Omit<Findings, 'report'> & { readonly report: Report };

function tellSightings(sightings: readonly Sighting[]): void {
  const rows = table(
    sightings.map(({ what, times, seenBy }) => [times.toLocaleString('en-US').padStart(7), what, seenBy]),
  );
  for (const [index, row] of rows.entries())
    say(`  ${(sightings[index]?.times ?? 0) > 0 ? TICK : CROSS} ${row}`);
}

function tellBooks(books: readonly Books[]): void {
  const rows = books.map((line) =>
    [line.givenMinor, line.chargedMinor, line.pledgedMinor, line.totalMinor].map((amountMinor) =>
      formatMoney({ amountMinor, currency: line.currency }).padStart(16),
    ),
  );
  const titles = ['donors gave', 'provider charged', 'pledges captured', 'campaign total'];
  const [title = '', ...lines] = table([titles.map((each) => each.padStart(16)), ...rows]);
  say(`    ${styleText('dim', title)}`);
  for (const [index, line] of lines.entries()) {
    const book = books[index];
    say(`  ${book !== undefined && agree(book) ? TICK : CROSS} ${line}`);
  }
}

export function tellHappyEnd({ records, sightings }: FindingsWithReport, seconds: number): void {
  const broken = sightings.reduce((sum, { times, byDonors }) => sum + (byDonors === true ? 0 : times), 0);
  heading(`It holds. (${seconds} s)`);
  say(`  ${records.length} people gave, and their phones sent every donation ${SENDS_PER_KEY} times. Meanwhile ${broken.toLocaleString('en-US')} things
  went wrong: the payment provider charged cards and never said so, its messages came twice, late,
  in the wrong order or not at all, and the process that does the work was shot in the middle of it.

  Nobody was charged twice. Nobody's gift was lost. Every total is right, to the last cent and the last yen. 💚
`);
}

export function tellUnhappyEnd(reasons: readonly string[], logs: string): void {
  heading('This did not hold');
  for (const reason of reasons) say(`  ${CROSS} ${reason}`);
  say(`\n  The processes' logs are in ${logs} until the next demo.\n`);
}

function heading(text: string): void {
  say(`\n${styleText('bold', text)}\n`);
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '  ');
}
