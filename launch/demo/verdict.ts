/** Whether the demo has shown what it claims; every reason why not, in words. */
import type { Report } from '../../cli/audit/report.ts';
import type { Books, Charges } from './books.ts';
import type { KeyRecord } from '../stage/donors.ts';
import type { Sighting } from './faults.ts';
import { SENDS_PER_KEY } from './storm.ts';

export type Findings = {
  readonly records: readonly KeyRecord[];
  readonly sightings: readonly Sighting[];
  /** What was not at rest when the time was over. */
  readonly waiting: Readonly<Record<string, number>>;
  readonly charges: Charges;
  readonly books: readonly Books[];
  readonly report: Pick<Report, 'discrepancies' | 'totals'>;
};

/** Empty when everything holds. */
export function whatWentWrong(findings: Findings): string[] {
  const { records, sightings, waiting, charges, books, report } = findings;
  const wrong: string[] = [];
  for (const [what, number] of Object.entries(waiting)) wrong.push(`${number} ${what}`);

  for (const { what, times } of sightings)
    if (times === 0) wrong.push(`this never happened, so nothing was shown about it: ${what}`);

  const several = records.filter(({ ids }) => ids.size !== 1).length;
  if (several > 0) wrong.push(`${several} keys do not have exactly one donation each`);
  const unanswered = records.filter(({ answers }) => answers !== SENDS_PER_KEY).length;
  if (unanswered > 0) wrong.push(`${unanswered} keys were not answered ${SENDS_PER_KEY} times each`);
  if (charges.wrong > 0) wrong.push(`${charges.wrong} donations were not charged as often as they should be`);

  for (const line of books)
    if (!agree(line)) wrong.push(`the ${line.currency} of the four witnesses are not the same`);
  if (report.discrepancies > 0) wrong.push(`the audit found ${report.discrepancies} discrepancies`);
  if (report.totals.donations !== records.length)
    wrong.push(`the audit compared ${report.totals.donations} donations, not ${records.length}`);
  return wrong;
}

export function agree({ givenMinor, chargedMinor, pledgedMinor, totalMinor }: Books): boolean {
  return new Set([givenMinor, chargedMinor, pledgedMinor, totalMinor]).size === 1;
}
