/** Reconciliation as an operator runs it: over all processes, one of which dies in the middle. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { neutralEnvironment } from '../../launch/options.ts';
import { endWorkflows } from '../../launch/shared-servers.ts';
import { reconciliationSchedules } from '../../platform/temporal.ts';
import { eventually } from '../harness/eventually.ts';
import { startStack, type Stack } from '../harness/stack.ts';
import { createCampaign, give } from './giving.ts';

const MAIN = join(import.meta.dirname, '../../cli/main.ts');
const SETTINGS = JSON.stringify({ freshMs: 0, heartbeatTimeoutMs: 3_000, retryInitialMs: 200 });
const STRANGERS = 230;

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ apis: 1, restartOnCrash: true, env: { RECONCILIATION: SETTINGS } });
});
afterAll(() => stack.stop());

type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string };

function careforall(...args: string[]): Promise<Ended> {
  const env = { ...neutralEnvironment(), ...stack.environment, RECONCILIATION: SETTINGS };
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { env, maxBuffer: 64 * 2 ** 20 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

type Report = {
  readonly classes: Readonly<Record<string, number>>;
  readonly run: { readonly counts: { readonly unrepaired: number } };
  readonly reviews: readonly { readonly id: string }[];
};

test('a worker that is killed in the middle is followed by another, and each payment is found once', async () => {
  const campaignId = await createCampaign(stack);
  const given = await give(stack, { campaignId, amount: 2_500 });
  const paymentId = await eventually('the donation is paid', async () => {
    const { rows } = await stack.pools.payments.query<{ id: string }>(
      `SELECT provider_payment_id AS id FROM payments WHERE id = $1 AND state = 'CAPTURED'`,
      [given.id],
    );
    expect(rows).toHaveLength(1);
    return rows[0]?.id ?? '';
  });
  for (let n = 0; n < STRANGERS; n += 1)
    await stack.simulator.payByHand({ amountMinor: 1_000 + n, currency: 'USD' });
  // Its webhook is lost; a refund by hand is news that only a look can bring.
  await stack.simulator.turn({ noWebhooks: 1 });
  await stack.simulator.refundByHand(paymentId, { amountMinor: 700 });

  const rehearsal = await careforall('reconcile', '--full', '--dry-run', '--json');
  expect(rehearsal.stderr).toBe('');
  expect((JSON.parse(rehearsal.stdout) as Report).classes).toMatchObject({
    MISSING_LOCAL: STRANGERS,
    REFUND_MISSING: 1,
  });
  expect(rehearsal.code).toBe(1);
  const { rows: none } = await stack.pools.payments.query('SELECT FROM review_items');
  expect(none).toEqual([]);

  const deaths = stack.ended.length;
  stack.failpoints.arm('reconciliation.page');
  const csv = join(stack.directory, 'findings.csv');
  const first = await careforall('reconcile', '--full', '--json', '--csv', csv);
  expect(first.stderr).toBe('');
  expect(stack.ended.slice(deaths).map(({ role }) => role)).toEqual(['workers']);
  const report = JSON.parse(first.stdout) as Report;
  expect(report.classes).toMatchObject({ MISSING_LOCAL: STRANGERS, REFUND_MISSING: 1 });
  expect(report.run.counts.unrepaired).toBe(0);
  expect((await readFile(csv, 'utf8')).split('\r\n').length).toBeGreaterThan(STRANGERS + 1);
  const { rows: pledge } = await stack.pools.donations.query('SELECT status FROM pledges WHERE id = $1', [
    given.id,
  ]);
  expect(pledge).toEqual([{ status: 'PARTIALLY_REFUNDED' }]);

  const second = await careforall('reconcile', '--full', '--json');
  expect((JSON.parse(second.stdout) as Report).classes).toEqual({});
  expect(second.code, 'people have still to look').toBe(1);

  const [item] = report.reviews;
  const resolved = await careforall(
    'review',
    '--resolve',
    item?.id ?? '',
    '--note',
    'the office’s own test',
    '--json',
  );
  const { reviews } = JSON.parse(resolved.stdout) as Report;
  expect(reviews).toHaveLength(report.reviews.length - 1);
  expect((await careforall('review', '--resolve', item?.id ?? '', '--note', 'again')).code).toBe(2);
  expect((await careforall('review', '--resolve', item?.id ?? '')).code).toBe(2);
});

test('each kind has its schedule, and a reset takes them away', async () => {
  const ids = Object.values(reconciliationSchedules(stack.prefix));
  const described = await Promise.all(ids.map((id) => stack.temporal.schedule.getHandle(id).describe()));
  expect(described.map(({ spec }) => spec.intervals?.[0]?.every)).toEqual([3_600_000, 86_400_000, 3_600_000]);
  expect(described.map(({ policies }) => policies.overlap)).toEqual(['SKIP', 'SKIP', 'SKIP']);
  // A process that starts later finds them there, and brings them up to its settings.
  await stack.restart('background');
  const { TEMPORAL_ADDRESS: address = '', TEMPORAL_NAMESPACE: namespace = '' } = stack.environment;
  await stack.stopProcess('background');
  await endWorkflows(address, namespace, stack.prefix);
  for (const id of ids)
    await expect(stack.temporal.schedule.getHandle(id).describe()).rejects.toThrow(/not found/i);
});
