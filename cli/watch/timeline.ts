/** What happened to one donation, wherever it was written down, in the order in which it happened. */
import { printable, styled, table } from '../text.ts';

export type Source =
  | 'request'
  | 'workflow'
  | 'aftercare'
  | 'provider'
  | 'webhook'
  | 'payment'
  | 'ledger'
  | 'totals'
  | 'outbox'
  | 'command'
  | 'receipt'
  | 'notice';

export type Happening = {
  readonly at: Date;
  readonly source: Source;
  readonly what: string;
  /** Something a reader looks for first: a failure, a retry, a parked row. */
  readonly trouble?: true;
};

export type DonationState = {
  readonly donationId: string;
  /** Of the pledge; null while there is none. */
  readonly status: string | null;
  readonly version: number | null;
  readonly failureCode: string | null;
  readonly workflow: string | null;
  /** Status and workflow have both come to their end. */
  readonly final: boolean;
};

export type Timeline = {
  readonly state: DonationState;
  readonly happenings: readonly Happening[];
  /** What could not be read. */
  readonly notes: readonly string[];
};

/** Stable, so that what one source wrote at the same instant keeps its order. */
export function merge(...lists: readonly (readonly Happening[])[]): Happening[] {
  return lists.flat().toSorted((a, b) => a.at.getTime() - b.at.getTime());
}

const SOURCE_WIDTH = 9;

/** Milliseconds since the first happening tell more than the time of day, which the first line carries. */
export function formatLines(happenings: readonly Happening[], start: Date): string[] {
  const rows = happenings.map(({ at, source, what }) => [
    sinceStart(at, start),
    source.padEnd(SOURCE_WIDTH),
    printable(what),
  ]);
  return table(rows).map((row, index) => (happenings[index]?.trouble === true ? styled('yellow', row) : row));
}

function sinceStart(at: Date, start: Date): string {
  const ms = at.getTime() - start.getTime();
  const text = Math.abs(ms) < 600_000 ? `${(ms / 1_000).toFixed(3)} s` : at.toISOString();
  return `${ms < 0 ? '' : '+'}${text}`.padStart(11);
}

export function formatState({
  donationId,
  status,
  version,
  failureCode,
  workflow,
  final,
}: DonationState): string {
  const shown =
    status === null
      ? 'no pledge yet'
      : `${status} v${version ?? 0}${failureCode === null ? '' : ` (${printable(failureCode)})`}`;
  const style = !final ? 'yellow' : status === 'FAILED' || status === 'EXPIRED' ? 'red' : 'green';
  return styled(style, `${donationId}: ${shown}; workflow ${workflow ?? 'unknown'}`);
}
