/** `npm run bench` measures what it says, over donations that the audit finds in order; how fast they were is no test. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { expectNothingLeft, launch } from './launched.ts';

const spread = z.object({ median: z.number(), least: z.number(), most: z.number() });
const percentiles = z.object({ p50Ms: z.number(), p95Ms: z.number(), p99Ms: z.number() });
const figures = z.object({
  schema: z.literal('careforall.bench.v1'),
  machine: z.object({
    cpu: z.string().min(1),
    cores: z.number().positive(),
    memoryGb: z.number().positive(),
    node: z.literal(process.versions.node),
    postgres: z.string().regex(/^\d+/),
    temporal: z.string().regex(/^\d+\.\d+/),
  }),
  latency: z.object({ donations: z.literal(10), captured: percentiles, noop: percentiles }),
  ratios: z.array(z.object({ name: z.string(), ours: spread, theirs: spread, ratio: spread })),
  extras: z.object({ donations: z.literal(10), signals: z.literal(0), aftercareRuns: z.literal(0) }),
  logins: z.object({ signedIn: z.number().positive(), loopDelayP99Ms: z.number().positive() }),
  audit: z.object({ donations: z.literal(30), discrepancies: z.literal(0) }),
});

test('a quick bench compares in one run, audits every donation it made and leaves nothing but its figures', async () => {
  const bench = launch('bench', '--quick', '--anyway', '--markdown');
  const code = await bench.ended;
  const text = bench.output();
  expect(text).toContain('0 discrepancies over 30 donations');
  expect(text).toContain('0 signals and 0 aftercare runs for those 10 donations');
  expect(code).toBe(0);

  const file = /^All of it is in (.+\.json)$/m.exec(text)?.[1] ?? '';
  const { latency, ratios } = figures.parse(JSON.parse(readFileSync(file, 'utf8')));
  expect(ratios.map(({ name }) => name)).toEqual([
    'sagas',
    'durable accepts',
    'totals reads',
    'access token checks, new',
    'access token checks, seen before',
  ]);
  for (const { ours, theirs, ratio } of ratios) {
    expect(ours.median).toBeGreaterThan(0);
    expect(ratio.median).toBeCloseTo(ours.median / theirs.median);
  }
  expect(latency.captured.p50Ms).toBeGreaterThan(0);
  expect(latency.captured.p99Ms).toBeGreaterThanOrEqual(latency.captured.p50Ms);
  expect(text).toMatch(/^\| durable accepts per second \| [\d,.]+ .* \| Express echo: .* \| [\d.]+ \(/m);
  await expectNothingLeft(text);
});
