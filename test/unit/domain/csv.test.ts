import fc from 'fast-check';
import { expect, it } from 'vitest';
import { toCsv } from '../../../domain/csv.ts';

/** A reader of RFC 4180 that shares nothing with the writer. */
function parse(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let rest = text;
  while (rest !== '') {
    const quoted = /^"((?:[^"]|"")*)"(,|\r\n)/.exec(rest);
    const match = quoted ?? /^([^",\r\n]*)(,|\r\n)/.exec(rest);
    if (match === null) throw new Error(`no cell at ${rest.slice(0, 20)}`);
    row.push((match[1] ?? '').replaceAll('""', '"'));
    if (match[2] === '\r\n') {
      rows.push(row);
      row = [];
    }
    rest = rest.slice(match[0].length);
  }
  return rows;
}

it('is read back as it was written, whatever stands in the cells', () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.string(), { minLength: 1, maxLength: 4 }), { maxLength: 5 }), (rows) => {
      const read = parse(toCsv(rows));
      const harmless = (text: string): string => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);
      expect(read).toEqual(rows.map((row) => row.map(harmless)));
    }),
  );
});

it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1'])(
  'gives a spreadsheet nothing to run: %j',
  (text) => {
    expect(parse(toCsv([[text]]))).toEqual([[`'${text}`]]);
  },
);

it('quotes what would end a cell, and leaves an empty one for null', () => {
  expect(toCsv([['a,b', 'say "no"', null, 7]])).toBe('"a,b","say ""no""",,7\r\n');
});
