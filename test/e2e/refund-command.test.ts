import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { ROOT } from '../../launch/paths.ts';
import { eventually } from '../harness/eventually.ts';
import { startStack, type Stack } from '../harness/stack.ts';
import { createCampaign } from './giving.ts';

const given = z.object({ id: z.string(), status: z.string() });
const answered = z.object({
  id: z.string().nullable(),
  status: z.string(),
  amount: z.number().optional(),
  failure: z.string().nullable(),
  replayed: z.boolean(),
  ok: z.boolean(),
});
const report = z.object({
  findings: z.array(z.object({ check: z.string(), detail: z.string() })),
  totals: z.object({
    captured: z.number(),
    providerRefunds: z.number(),
    providerDisputes: z.number(),
    money: z.array(z.record(z.string(), z.unknown())),
  }),
});

let stack: Stack;
let campaignId: string;

beforeAll(async () => {
  stack = await startStack({ apis: 1 });
  campaignId = await createCampaign(stack);
});
afterAll(() => stack.stop());

test('a part goes back once however often its key is used, the rest after it, and then nothing is left', async () => {
  const donationId = await give();
  const key = randomUUID();
  const part = ['refund', donationId, '--amount', '1000', '--reason', 'given twice', '--key', key, '--wait'];
  const first = await refund(...part);
  expect(first).toMatchObject({ code: 0, answer: { status: 'succeeded', amount: 1_000, replayed: false } });
  const again = await refund(...part);
  expect(again).toMatchObject({ code: 0, answer: { id: first.answer.id, replayed: true } });

  const tooMuch = await refund('refund', donationId, '--amount', '1501');
  expect(tooMuch).toMatchObject({ code: 1, answer: { id: null, failure: 'refund_exceeds_captured' } });

  const { code, stdout, stderr } = await careforall(['refund', donationId, '--wait']);
  expect(code).toBe(0);
  expect(stderr).toMatch(/^\S+ pending\n(\S+ succeeded\n)?$/);
  expect(stdout).toMatch(
    new RegExp(`^refund +\\S+\nkey +\\S+\nback +15\\.00 USD of ${donationId}\nsucceeded\n$`),
  );
  const none = await careforall(['refund', donationId]);
  expect(none).toMatchObject({ code: 1 });
  expect(none.stdout).toContain('refund_exceeds_captured');
});

test('what cannot be asked for ends with 1, and a token that the API does not take with 2', async () => {
  const nobody = await refund('refund', randomUUID(), '--amount', '100');
  expect(nobody).toMatchObject({ code: 1, answer: { failure: 'not_found', ok: false } });
  const donationId = await give();
  const currency = await refund('refund', donationId, '--amount', '100', '--currency', 'EUR');
  expect(currency).toMatchObject({ code: 1, answer: { failure: 'currency_mismatch' } });
  const stranger = await careforall(['refund', donationId], { CAREFORALL_ACCESS_TOKEN: 'of.somebody.else' });
  expect(stranger.code).toBe(2);
  expect(stranger.stdout).toBe('');
  expect(stranger.stderr).toMatch(/^careforall: The API does not take this access token: .+\n$/);
});

test('a system that refunded, was disputed and paid fees has no discrepancy, and tells the story', async () => {
  const donationId = await give();
  expect((await refund('refund', donationId, '--amount', '700', '--wait')).code).toBe(0);
  const lost = await give();
  const paymentId = await one(`SELECT provider_payment_id AS value FROM payments WHERE id = $1`, lost);
  const disputeId = await stack.simulator.disputePayment(paymentId);
  await stack.simulator.closeDispute(disputeId, 'lost');

  await eventually('nothing is on its way any more', async () => {
    const { totals, findings } = await audit();
    expect(findings).toEqual([]);
    expect(totals).toMatchObject({
      captured: 4,
      providerRefunds: 3,
      providerDisputes: 1,
      money: [{ currency: 'USD', capturedMinor: 10_000, refundedMinor: 3_200, lostMinor: 2_500 }],
    });
  });

  const story = (await careforall(['watch', donationId])).stdout;
  for (const part of [
    /payment +refund \S+ of 700 asked for by operator:[0-9a-f-]{36}, the provider’s re_/,
    /command +refund delivered/,
    /aftercare +signal work/,
    /provider +refund 1 answered: yes succeeded/,
    /payment +CAPTURED → PARTIALLY_REFUNDED v4, refund of 700 succeeded/,
    /totals +refunded 700 counted/,
  ])
    expect(story).toMatch(part);
  expect((await careforall(['watch', lost])).stdout).toMatch(/dispute of 2500 lost/);
  const byDispute = await careforall(['find', disputeId]);
  expect(byDispute).toMatchObject({ code: 0 });
  expect(byDispute.stdout).toContain(lost);
});

async function give(): Promise<string> {
  const answer = await fetch(`${stack.apiUrl}/donate`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': randomUUID() },
    body: JSON.stringify({ campaignId, amount: 2_500, currency: 'USD', paymentMethod: 'pm_card_visa' }),
  });
  const { id } = given.parse(await answer.json());
  await eventually('the donation is captured', async () => {
    const state = await one('SELECT state AS value FROM payments WHERE id = $1', id);
    if (state !== 'CAPTURED') throw new Error(state);
  });
  return id;
}

async function refund(
  ...args: readonly string[]
): Promise<{ code: number; answer: z.infer<typeof answered> }> {
  const { code, stdout } = await careforall([...args, '--json']);
  const answer = answered.parse(JSON.parse(stdout));
  expect(answer.ok).toBe(code === 0);
  return { code, answer };
}

async function audit(): Promise<z.infer<typeof report>> {
  return report.parse(JSON.parse((await careforall(['audit', '--settle', '0', '--json'])).stdout));
}

function careforall(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(ROOT, 'cli', 'main.ts'), ...args],
      { env: { ...stack.environment, CAREFORALL_ACCESS_TOKEN: stack.operatorToken, ...env } },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

async function one(query: string, id: string): Promise<string> {
  const { rows } = await stack.pools.payments.query<{ value: string }>(query, [id]);
  return rows[0]?.value ?? '';
}
