import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openLedger } from '../../../provider/simulator/ledger.ts';
import type { LedgerLine } from '../../../provider/simulator/records.ts';

const line = (eventId: string): LedgerLine => ({ settled: { eventId, how: 'delivered' } });

describe('the ledger file of the simulator', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ledger-'));
    path = join(folder, 'deep', 'ledger.jsonl');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const readAll = (): LedgerLine[] => {
    const lines: LedgerLine[] = [];
    openLedger(path, (read) => lines.push(read)).close();
    return lines;
  };

  test('gives back what was appended, in order, also from the middle', () => {
    const ledger = openLedger(path, () => undefined);
    const refs = ['évt_ö', 'evt_2', 'x'.repeat(3_000_000)].map((id) => ledger.append(line(id)));
    expect(ledger.read(refs[1] ?? { offset: 0, length: 0 })).toEqual(line('evt_2'));
    ledger.close();
    const reopened: LedgerLine[] = [];
    const again = openLedger(path, (read, ref) => {
      reopened.push(read);
      expect(ref).toEqual(refs[reopened.length - 1]);
    });
    expect(reopened.map((read) => read.settled?.eventId.length)).toEqual([5, 5, 3_000_000]);
    again.close();
  });

  test('drops a line that was torn by a crash and goes on after the whole ones', () => {
    const ledger = openLedger(path, () => undefined);
    ledger.append(line('evt_1'));
    ledger.close();
    appendFileSync(path, '{"settled":{"eventId":"ev');
    expect(readAll()).toEqual([line('evt_1')]);
    const again = openLedger(path, () => undefined);
    again.append(line('evt_2'));
    again.close();
    expect(readAll()).toEqual([line('evt_1'), line('evt_2')]);
    expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(3);
  });

  test('refuses a line after it was closed', () => {
    const ledger = openLedger(path, () => undefined);
    ledger.close();
    expect(() => ledger.append(line('evt_1'))).toThrow('closed');
  });
});
