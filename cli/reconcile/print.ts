import type { ReconciliationReport, ReportedFinding, Review } from '../../api/payments/reconciliation.ts';
import { count, duration, printable, styled, table } from '../text.ts';

const MAX_LINES = 50;

export function printReport({ run, classes, findings, reviews }: ReconciliationReport): string {
  const kind = `${run.dryRun ? 'Dry run' : 'Run'} ${run.id} (${run.kind}, from ${run.from.toISOString()})`;
  const summary = table(Object.entries(classes).map(([name, n]) => [name, String(n)]));
  return [
    kind,
    `compared ${count(run.counts.examined ?? 0, 'object')} in ${duration((run.finishedAt?.getTime() ?? Date.now()) - run.startedAt.getTime())}`,
    '',
    ...(findings.length === 0 ? [styled('green', 'Nothing new differs.')] : [...summary, '']),
    ...table(findings.slice(0, MAX_LINES).map(findingCells)),
    ...more(findings.length),
    '',
    printReviews(reviews),
  ].join('\n');
}

export function printReviews(reviews: readonly Review[]): string {
  if (reviews.length === 0) return styled('green', 'Nobody has to look at anything.');
  return [
    styled('yellow', `${count(reviews.length, 'thing')} to look at, the oldest first:`),
    ...table(reviews.slice(0, MAX_LINES).map(reviewCells)),
    ...more(reviews.length),
  ].join('\n');
}

function findingCells({
  class: name,
  action,
  subject,
  repairedAt,
  expected,
  found,
}: ReportedFinding): string[] {
  const became = repairedAt === null ? action : `${action}, done`;
  return [name, became, subject, difference(expected, found)].map(printable);
}

function reviewCells({ id, class: name, subject, ageSeconds, expected, found }: Review): string[] {
  return [id, name, subject, duration(ageSeconds * 1_000), difference(expected, found)].map(printable);
}

function difference(expected: unknown, found: unknown): string {
  const show = (value: unknown): string => (value === null ? 'nothing' : JSON.stringify(value));
  return `ours ${show(expected)}, found ${show(found)}`;
}

function more(length: number): string[] {
  return length > MAX_LINES ? [`… and ${length - MAX_LINES} more: --json has all of them`] : [];
}
