import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { LedgerLine } from './records.ts';

const CHUNK_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;

/** Where a line is in the file: bodies are read back when they are needed instead of being kept in memory. */
export type LineRef = { readonly offset: number; readonly length: number };

export type Ledger = {
  /** Written when it returns (not synced: it survives a killed process, not a lost machine). */
  append(line: LedgerLine): LineRef;
  read(ref: LineRef): LedgerLine;
  close(): void;
};

/** Opens or creates the append-only file and hands every line in it to `replay`. */
export function openLedger(path: string, replay: (line: LedgerLine, ref: LineRef) => void): Ledger {
  mkdirSync(dirname(path), { recursive: true });
  const file = openSync(path, 'a+');
  let size = replayFile(file, replay);
  let open = true;
  return {
    append: (line) => {
      if (!open) throw new Error('The ledger is closed');
      const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
      let written = 0;
      while (written < bytes.length) written += writeSync(file, bytes, written);
      const ref = { offset: size, length: bytes.length };
      size += bytes.length;
      return ref;
    },
    read: (ref) => {
      const bytes = Buffer.allocUnsafe(ref.length);
      const got = readSync(file, bytes, 0, ref.length, ref.offset);
      if (got !== ref.length) throw new Error(`The ledger ends before byte ${ref.offset + ref.length}`);
      return JSON.parse(bytes.toString('utf8')) as LedgerLine;
    },
    close: () => {
      open = false;
      closeSync(file);
    },
  };
}

/** Returns the size of what is whole; a torn last line was never answered for, so it is cut off. */
function replayFile(file: number, replay: (line: LedgerLine, ref: LineRef) => void): number {
  const total = fstatSync(file).size;
  let rest = Buffer.alloc(0);
  let offset = 0;
  for (let position = 0; position < total;) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, total - position));
    const got = readSync(file, chunk, 0, chunk.length, position);
    if (got === 0) break;
    position += got;
    const text = Buffer.concat([rest, chunk.subarray(0, got)]);
    let start = 0;
    for (let end = text.indexOf(NEWLINE); end !== -1; end = text.indexOf(NEWLINE, start)) {
      const length = end + 1 - start;
      replay(JSON.parse(text.toString('utf8', start, end)) as LedgerLine, { offset, length });
      offset += length;
      start = end + 1;
    }
    rest = text.subarray(start);
  }
  if (rest.length > 0) ftruncateSync(file, offset);
  return offset;
}
