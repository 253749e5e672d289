/** Lists in pages, newest first: `{ data, nextCursor }`, ordered by time and, within the same moment, by id. */
import { z } from 'zod';
import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE } from '../../domain/limits.ts';
import { Problem } from './problem.ts';

/**
 * The last row of a page. Its time is PostgreSQL's own text, to the microsecond: a Date knows milliseconds, and of the
 * rows that share one some would be lost or come twice.
 */
export type Cursor = { readonly time: string; readonly id: string };

/** Before every row, so that the first page is asked for as the others are, and by the same index. */
const BEGINNING: Cursor = { time: 'infinity', id: 'ffffffff-ffff-ffff-ffff-ffffffffffff' };

/** SQL for a `timestamptz` as a cursor holds it. */
export function cursorTime(column: string): string {
  return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/** Rows per page, from `?limit=`. Throws `invalid_parameter`. */
export function pageSize(value: unknown): number {
  if (value === undefined) return DEFAULT_PAGE_SIZE;
  const size = typeof value === 'string' && /^\d{1,3}$/.test(value) ? Number(value) : 0;
  if (size < 1 || size > MAX_PAGE_SIZE)
    throw new Problem('invalid_parameter', { detail: `limit must be an integer from 1 to ${MAX_PAGE_SIZE}` });
  return size;
}

/** As `writeCursor` writes it. PostgreSQL has no year 0. */
const writtenTime = z.iso.datetime({ precision: 6 }).refine((time) => !time.startsWith('0000'));
const written = z.tuple([writtenTime, z.uuid()]);

/** From `?cursor=`; the beginning of the list without one. Throws `invalid_parameter`. */
export function readCursor(value: unknown): Cursor {
  if (value === undefined) return BEGINNING;
  if (typeof value !== 'string') throw new Problem('invalid_parameter', { detail: 'cursor is given twice' });
  try {
    const [time, id] = written.parse(JSON.parse(Buffer.from(value, 'base64url').toString('utf8')));
    return { time, id };
  } catch {
    throw new Problem('invalid_parameter', { detail: 'cursor is not one that a list gave' });
  }
}

/** Opaque to whoever gets it. */
function writeCursor({ time, id }: Cursor): string {
  return Buffer.from(JSON.stringify([time, id])).toString('base64url');
}

/** The answer of a list. `rows` hold one more than the page takes when there is a next one. */
export function pageOf<Row extends { readonly id: string; readonly cursorTime: string }, T>(
  rows: readonly Row[],
  limit: number,
  toJson: (row: Row) => T,
): { data: T[]; nextCursor: string | null } {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    data: page.map(toJson),
    nextCursor:
      rows.length > limit && last !== undefined ? writeCursor({ time: last.cursorTime, id: last.id }) : null,
  };
}
