/** `POST /donations/:id/cancel`: whose it is, that it and the capture meet on one row, and that asking again is the same. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createDonationActivities } from '../../../activities/donations/index.ts';
import { startProxy, targetOf, through } from '../../harness/proxy.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import {
  donate,
  donation,
  donationBody,
  newCampaign,
  newKey,
  OPERATOR_TOKEN,
  startGateway,
  type DonationAnswer,
  type Gateway,
} from './gateway.ts';
import { json, problem, type Answer } from './http-client.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
let gateway: Gateway;
let campaignId: string;
beforeAll(async () => {
  gateway = await startGateway({ urls });
  campaignId = await newCampaign(gateway);
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

async function given(): Promise<DonationAnswer> {
  return donation(await donate(gateway, newKey(), donationBody(campaignId)));
}

function cancel(
  id: string,
  authorizations: readonly string[],
  to: Pick<Gateway, 'send'> = gateway,
): Promise<Answer> {
  const headers = authorizations.map((value) => ['Authorization', value] as const);
  return to.send({ method: 'POST', path: `/donations/${id}/cancel`, headers });
}

/** As the saga does before it captures. */
function claimCapture({ id }: DonationAnswer): Promise<boolean> {
  const saga = createDonationActivities({
    pool: gateway.pools.donations,
    failpoint: () => undefined,
    outboxWritten: () => undefined,
  });
  return saga.claimCapture({ donationId: id, authorizedVersion: null });
}

type Written = { readonly cancelled: boolean; readonly capturing: boolean; readonly commands: number };

async function writtenOf({ id }: DonationAnswer): Promise<Written | undefined> {
  const { rows } = await gateway.pools.donations.query<Written>(
    `SELECT cancel_requested_at IS NOT NULL AS cancelled, capture_started_at IS NOT NULL AS capturing,
       (SELECT count(*)::int FROM workflow_commands WHERE donation_id = r.id) AS commands
     FROM donation_requests r WHERE id = $1`,
    [id],
  );
  return rows[0];
}

test.each(['donor', 'operator'])('the %s cancels, and asking again is the same cancel', async (who) => {
  const made = await given();
  const bearer = `Bearer ${who === 'donor' ? made.donorToken : OPERATOR_TOKEN}`;
  const woken = gateway.woken();
  for (const id of [made.id, made.id.toUpperCase(), made.id.replaceAll('-', '%2D')]) {
    const answer = await cancel(id, [bearer]);
    expect([answer.status, answer.headers['location'], answer.headers['cache-control']]).toEqual([
      202,
      `/donations/${made.id}`,
      'no-store',
    ]);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(json(answer)).toMatchObject({ id: made.id, status: 'INITIATED' });
    expect(answer.text).not.toMatch(/token|secret/i);
  }
  expect(await writtenOf(made)).toEqual({ cancelled: true, capturing: false, commands: 1 });
  expect(gateway.woken()).toBeGreaterThan(woken);
});

test('fifty cancels at once over two processes are one', async () => {
  await using second = await startGateway({ urls });
  const made = await given();
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      cancel(made.id, [`Bearer ${made.donorToken}`], index % 2 === 0 ? gateway : second),
    ),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
  expect(await writtenOf(made)).toMatchObject({ cancelled: true, commands: 1 });
});

describe('does not exist for whoever shows', () => {
  test.each<[name: string, shown: (made: DonationAnswer, other: DonationAnswer) => readonly string[]]>([
    ['nothing', () => []],
    ['an empty header', () => ['']],
    ['a wrong token', () => ['Bearer wrong']],
    ['the token of another donation', (_made, other) => [`Bearer ${other.donorToken}`]],
    ['the id', (made) => [`Bearer ${made.id}`]],
    ['another scheme', (made) => [`Basic ${made.donorToken}`]],
    ['the right token twice', (made) => [`Bearer ${made.donorToken}`, `Bearer ${made.donorToken}`]],
    [
      'the right token and the operator’s',
      (made) => [`Bearer ${made.donorToken}`, `Bearer ${OPERATOR_TOKEN}`],
    ],
  ])('%s', async (_name, shown) => {
    const made = await given();
    const answer = await cancel(made.id, shown(made, await given()));
    expect([answer.status, problem(answer).code]).toEqual([404, 'not_found']);
    expect(await writtenOf(made)).toEqual({ cancelled: false, capturing: false, commands: 0 });
  });
});

test.each(['x', '%00', randomUUID(), '%'])('the donation %s cannot be cancelled by anybody', async (id) => {
  const answer = await cancel(id, [`Bearer ${OPERATOR_TOKEN}`]);
  expect([answer.status, problem(answer).code]).toEqual([404, 'not_found']);
});

test('comes too late once the capture has begun, and changes nothing', async () => {
  const made = await given();
  expect(await claimCapture(made)).toBe(true);
  for (const token of [made.donorToken, OPERATOR_TOKEN]) {
    const answer = await cancel(made.id, [`Bearer ${token}`]);
    expect([answer.status, problem(answer).code]).toEqual([409, 'cancel_too_late']);
  }
  expect(await writtenOf(made)).toEqual({ cancelled: false, capturing: true, commands: 0 });
});

test('wins over a capture that begins later', async () => {
  const made = await given();
  expect((await cancel(made.id, [`Bearer ${made.donorToken}`])).status).toBe(202);
  expect(await claimCapture(made)).toBe(false);
  expect(await writtenOf(made)).toEqual({ cancelled: true, capturing: false, commands: 1 });
});

test('and the capture at the same moment: one of them wins, forty times', async () => {
  const outcomes = await Promise.all(
    Array.from({ length: 40 }, async (_, index) => {
      const made = await given();
      const acts = [
        async () => (await cancel(made.id, [`Bearer ${made.donorToken}`])).status,
        () => claimCapture(made),
      ] as const;
      const [status, claimed] =
        index % 2 === 0
          ? await Promise.all([acts[0](), acts[1]()])
          : (await Promise.all([acts[1](), acts[0]()])).toReversed();
      expect(await writtenOf(made)).toEqual({
        cancelled: status === 202,
        capturing: claimed,
        commands: status === 202 ? 1 : 0,
      });
      return `${String(status)} ${String(claimed)}`;
    }),
  );
  expect(new Set(outcomes).isSubsetOf(new Set(['202 false', '409 true']))).toBe(true);
});

test.each([
  ['OPTIONS', 204],
  ['GET', 405],
  ['HEAD', 405],
  ['PUT', 405],
  ['DELETE', 405],
])('%s tells everybody what is allowed', async (method, status) => {
  const answer = await gateway.send({ method, path: `/donations/${randomUUID()}/cancel` });
  expect([answer.status, answer.headers['allow']]).toEqual([status, 'POST']);
});

test.each<[name: string, trouble: 'cut' | 'answers lost']>([
  ['cut off', 'cut'],
  ['heard and not answering', 'answers lost'],
])('with the database %s: 503 with Retry-After, and asking again is one cancel', async (_name, trouble) => {
  const proxy = await startProxy(targetOf(urls.donations, 5432));
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  const away = await startGateway({
    urls: { ...urls, donations: through(urls.donations, proxy) },
    statementTimeoutMs: 300,
  });
  onTestFinished(() => away[Symbol.asyncDispose]());
  const made = await given();
  if (trouble === 'cut') await proxy.cut();
  else proxy.loseAnswers();
  const answer = await cancel(made.id, [`Bearer ${made.donorToken}`], away);
  expect([answer.status, problem(answer).code]).toEqual([503, 'database_unavailable']);
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  await proxy.heal();
  expect((await cancel(made.id, [`Bearer ${made.donorToken}`], away)).status).toBe(202);
  expect(await writtenOf(made)).toMatchObject({ cancelled: true, commands: 1 });
});
