import { expect, test } from 'vitest';
import { OptionError } from '../../../launch/options.ts';
import { generatorOf, ratiosOf, whatIsWrong, type Figures } from '../../bench/figures.ts';
import { whyBusy } from '../../bench/machine.ts';
import { commandOf, readBenchOptions } from '../../bench/options.ts';
import { printMarkdown } from '../../bench/print.ts';
import type { Round } from '../../bench/rounds.ts';

const round = (factor: number): Round => ({
  sagas: 20 * factor,
  noops: 60,
  accepts: { perSecond: 500 * factor, ownShare: 0.1 },
  echoes: { perSecond: 5_000, ownShare: 0.3 },
  reads: { perSecond: 2_000 * factor, ownShare: 0.2 },
  bareReads: { perSecond: 10_000 + factor, ownShare: 0.5 },
  tokens: { bare: 40_000, uncached: 30_000 + factor, cached: 400_000 },
});

test('each ratio is that of the two sides of one round, not of their medians', () => {
  const [sagas, accepts, reads] = ratiosOf([round(1), round(3), { ...round(2), noops: 10 }]);
  expect(sagas?.ratio).toEqual({ median: 1, least: 20 / 60, most: 4 });
  expect(sagas?.ours).toEqual({ median: 40, least: 20, most: 60 });
  expect(accepts?.ratio.median).toBeCloseTo(0.2);
  expect(reads?.baseline).toBe('bare node:http');
});

test('the generator is judged by what it took for itself when it was fastest', () => {
  expect(generatorOf([round(1), round(2)])).toEqual({ fastestPerSecond: 10_002, ownShare: 0.5 });
});

const fine = {
  extras: { donations: 300, signals: 0, aftercareRuns: 0 },
  audit: { donations: 2_860, discrepancies: 0 },
};

test.each([
  ['a signal', { ...fine, extras: { ...fine.extras, signals: 2 } }, '2 signals'],
  ['an aftercare run', { ...fine, extras: { ...fine.extras, aftercareRuns: 1 } }, '1 aftercare runs'],
  ['a discrepancy', { ...fine, audit: { ...fine.audit, discrepancies: 1 } }, '1 discrepancies'],
  [
    'a donation that was not audited',
    { ...fine, audit: { ...fine.audit, donations: 2_859 } },
    '2859 donations',
  ],
])('%s makes the figures worthless, and the reason is given', (_, found, reason) => {
  expect(whatIsWrong(fine, 2_860)).toEqual([]);
  expect(whatIsWrong(found, 2_860)).toHaveLength(1);
  expect(whatIsWrong(found, 2_860)[0]).toContain(reason);
});

test('a machine that has other work to do is no machine to measure on', () => {
  expect(whyBusy(1.49, 2)).toBeUndefined();
  expect(whyBusy(1.5, 2)).toContain('load average is 1.50');
  expect(whyBusy(5.9, 8)).toBeUndefined();
});

test('a bench is whole and careful unless told otherwise', () => {
  expect(readBenchOptions([])).toEqual({ quick: false, markdown: false, anyway: false });
  expect(readBenchOptions(['--quick', '--anyway'])).toEqual({ quick: true, markdown: false, anyway: true });
  expect(readBenchOptions(['--help'])).toBeNull();
  expect(() => readBenchOptions(['--fast'])).toThrow(OptionError);
});

test('figures carry the command that brings them again, with all that changed what was measured', () => {
  expect(commandOf({ quick: false, anyway: false })).toBe('npm run bench');
  expect(commandOf({ quick: true, anyway: true })).toBe('npm run bench -- --quick --anyway');
});

test('figures of a busy machine say so themselves', () => {
  const rounds = [round(1)];
  const ms = { p50Ms: 1, p95Ms: 2, p99Ms: 3 };
  const figures: Figures = {
    ...fine,
    schema: 'careforall.bench.v1',
    startedAt: '2026-11-25T12:00:00.000Z',
    command: 'npm run bench -- --anyway',
    machine: { cpu: 'a CPU', cores: 2, memoryGb: 8, node: '24', postgres: '15', temporal: '1.29' },
    loadAverage: 0.4,
    seconds: 300,
    latency: { donations: 300, perSecond: 5, captured: ms, noop: ms },
    ratios: ratiosOf(rounds),
    rounds,
    generator: generatorOf(rounds),
    logins: {
      atOnce: 200,
      seconds: 10,
      signedIn: 17.5,
      refused: 900,
      readsBefore: { p50Ms: 1, p99Ms: 5 },
      reads: { p50Ms: 2, p99Ms: 21 },
      loopDelayP99Ms: 12,
    },
  };
  expect(printMarkdown(figures)).not.toContain('busy');
  expect(printMarkdown({ ...figures, loadAverage: 12 })).toContain(
    '- measured on a busy machine (load average 12.00)',
  );
  expect(printMarkdown(figures)).toContain('0 discrepancies over 2,860 donations');
});
