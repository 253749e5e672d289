/** What a bench found, as it is kept in `.careforall/bench/`. */
import type { Extras } from './cleanliness.ts';
import type { LoginStorm } from './login-storm.ts';
import type { Machine } from './machine.ts';
import type { Round } from './rounds.ts';
import { percentile, spreadOf, type Spread } from './statistics.ts';

export type Percentiles = { readonly p50Ms: number; readonly p95Ms: number; readonly p99Ms: number };

export type Ratio = {
  readonly name: string;
  readonly baseline: string;
  /** Each per second. */
  readonly ours: Spread;
  readonly theirs: Spread;
  /** Of the two sides of one round. */
  readonly ratio: Spread;
};

export type Figures = {
  readonly schema: 'careforall.bench.v1';
  readonly startedAt: string;
  readonly command: string;
  readonly machine: Machine;
  /** Before it began. */
  readonly loadAverage: number;
  readonly seconds: number;
  readonly latency: {
    readonly donations: number;
    readonly perSecond: number;
    readonly captured: Percentiles;
    readonly noop: Percentiles;
  };
  readonly ratios: readonly Ratio[];
  readonly rounds: readonly Round[];
  readonly generator: { readonly fastestPerSecond: number; readonly ownShare: number };
  readonly logins: LoginStorm;
  readonly extras: { readonly donations: number } & Extras;
  readonly audit: { readonly donations: number; readonly discrepancies: number };
};

export function percentilesOf(ms: readonly number[]): Percentiles {
  return { p50Ms: percentile(ms, 0.5), p95Ms: percentile(ms, 0.95), p99Ms: percentile(ms, 0.99) };
}

export function ratiosOf(rounds: readonly Round[]): Ratio[] {
  const compare = (
    name: string,
    ours: (round: Round) => number,
    baseline: string,
    theirs: (round: Round) => number,
  ): Ratio => ({
    name,
    baseline,
    ours: spreadOf(rounds.map(ours)),
    theirs: spreadOf(rounds.map(theirs)),
    ratio: spreadOf(rounds.map((round) => ours(round) / theirs(round))),
  });
  return [
    compare(
      'sagas',
      ({ sagas }) => sagas,
      'no-op workflows',
      ({ noops }) => noops,
    ),
    compare(
      'durable accepts',
      (it) => it.accepts.perSecond,
      'Express echo',
      (it) => it.echoes.perSecond,
    ),
    compare(
      'totals reads',
      (it) => it.reads.perSecond,
      'bare node:http',
      (it) => it.bareReads.perSecond,
    ),
    compare(
      'access token checks, new',
      ({ tokens }) => tokens.uncached,
      'bare crypto.verify',
      ({ tokens }) => tokens.bare,
    ),
    compare(
      'access token checks, seen before',
      ({ tokens }) => tokens.cached,
      'bare crypto.verify',
      ({ tokens }) => tokens.bare,
    ),
  ];
}

/** When it was fastest: what it then took for itself says how far it was from being the limit. */
export function generatorOf(rounds: readonly Round[]): Figures['generator'] {
  const all = rounds.flatMap(({ accepts, echoes, reads, bareReads }) => [accepts, echoes, reads, bareReads]);
  const fastest = all.reduce((best, each) => (each.perSecond > best.perSecond ? each : best));
  return { fastestPerSecond: fastest.perSecond, ownShare: fastest.ownShare };
}

/** Empty when the figures may be shown. */
export function whatIsWrong({ extras, audit }: Pick<Figures, 'extras' | 'audit'>, given: number): string[] {
  const wrong: string[] = [];
  if (extras.signals > 0) wrong.push(`${extras.signals} signals to donations that met no trouble, not 0`);
  if (extras.aftercareRuns > 0)
    wrong.push(`${extras.aftercareRuns} aftercare runs for donations that met no trouble, not 0`);
  if (audit.discrepancies > 0) wrong.push(`the audit found ${audit.discrepancies} discrepancies`);
  if (audit.donations !== given)
    wrong.push(`the audit compared ${audit.donations} donations, not the ${given} that were given`);
  return wrong;
}
