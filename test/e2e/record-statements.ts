/** Loaded into a process of the platform before its own code: writes down every statement that it sends to PostgreSQL. */
import { appendFileSync } from 'node:fs';
import { basename } from 'node:path';
import pg from 'pg';

/** The folder comes with the URL that loads this: `…/record-statements.ts?to=<folder>`. */
const directory = new URL(import.meta.url).searchParams.get('to');

if (directory !== null) {
  const file = `${directory}/${basename(process.argv[1] ?? 'unknown')}-${process.pid}.jsonl`;
  const prototype = pg.Client.prototype as unknown as { query: (...args: unknown[]) => unknown };
  const { query } = prototype;
  prototype.query = function recorded(this: unknown, ...args: unknown[]): unknown {
    const [statement] = args;
    const text =
      typeof statement === 'string' ? statement : (statement as { text?: string } | undefined)?.text;
    if (text !== undefined) appendFileSync(file, `${JSON.stringify(text)}\n`);
    return query.apply(this, args);
  };
}
