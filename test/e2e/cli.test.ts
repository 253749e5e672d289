import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { connect } from 'amqplib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { ROOT } from '../../launch/paths.ts';
import { eventually } from '../harness/eventually.ts';
import { startStack, type Stack } from '../harness/stack.ts';
import { createCampaign } from './giving.ts';

const report = z.object({
  healthy: z.boolean(),
  summary: z.string(),
  components: z.array(
    z.object({
      component: z.string(),
      health: z.string(),
      address: z.string().nullable(),
      source: z.string().nullable(),
      version: z.string().nullable(),
      detail: z.string(),
      fix: z.string().nullable(),
    }),
  ),
});
const found = z.object({
  donations: z.array(
    z.object({
      id: z.string(),
      by: z.array(z.string()),
      status: z.string(),
      amount: z.number(),
      campaignId: z.string(),
      acceptedAt: z.string(),
      providerPaymentId: z.string(),
      watch: z.string(),
    }),
  ),
  notes: z.array(z.string()),
});
const EMAIL = 'Donor.One@example.org';

let stack: Stack;
let campaignId: string;
const key = randomUUID();
let donationId: string;

beforeAll(async () => {
  stack = await startStack({ apis: 1 });
  campaignId = await createCampaign(stack);
  const answer = await fetch(`${stack.apiUrl}/donate`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify({
      campaignId,
      amount: 2_500,
      currency: 'USD',
      paymentMethod: 'pm_card_visa',
      donor: { email: EMAIL },
    }),
  });
  donationId = z.object({ id: z.string() }).parse(await answer.json()).id;
  await eventually('the donation is captured, and a webhook told of it', async () => {
    const { rows } = await stack.pools.donations.query<{ status: string }>('SELECT status FROM pledges');
    if (rows[0]?.status !== 'CAPTURED') throw new Error(JSON.stringify(rows));
    if (!(await oneEvent()).startsWith('evt_')) throw new Error('no event');
  });
});
afterAll(() => stack.stop());

test('the doctor finds a running system healthy: each part with its address, source and version', async () => {
  const { code, parts, shown } = await doctor();
  expect(parts.filter(({ health }) => health === 'unhealthy')).toEqual([]);
  expect(code).toBe(0);
  for (const name of ['PostgreSQL', 'Temporal']) expect(partOf(parts, name).version).toMatch(/^\d+\.\d+/);
  expect(partOf(parts, 'database payments').source).toBe('environment');
  expect(partOf(parts, 'database payments').detail).toMatch(/^(\d+) of \1 migrations applied$/);
  expect(partOf(parts, 'Temporal').detail).toContain('5 of 5 search attributes');
  expect(partOf(parts, 'task queue pollers').detail).toMatch(
    /-donations \(workflows\): [1-9].*-payments: [1-9]/,
  );
  expect(partOf(parts, 'payment provider').detail).toContain('our key is taken (test mode)');
  expect(partOf(parts, 'API')).toMatchObject({ address: stack.apiUrl, detail: 'alive, ready' });
  for (const url of Object.values(stack.environment)) {
    const password = URL.canParse(url) ? new URL(url).password : '';
    if (password.length > 8) expect(shown).not.toContain(password);
  }
});

test('the doctor names dead letters and who is to look at them, and the system counts as healthy', async () => {
  const url = stack.environment['RABBITMQ_URL'];
  if (url === undefined) {
    expect(partOf((await doctor()).parts, 'RabbitMQ').health).toBe('absent');
    return;
  }
  const queue = `${stack.prefix}.notifications.receipts.dead`;
  const connection = await connect(url);
  const channel = await connection.createConfirmChannel();
  channel.sendToQueue(queue, Buffer.from('{}'));
  await channel.waitForConfirms();
  const { code, parts } = await doctor();
  await channel.purgeQueue(queue);
  await connection.close();
  expect(code).toBe(0);
  const { health, fix, detail } = partOf(parts, 'RabbitMQ');
  expect(health).toBe('attention');
  expect(fix).toContain(queue);
  expect(detail).toMatch(/receipts: 0 waiting, 1 dead, 1 consuming/);
});

test('the doctor ends with 1 on a migration that is not applied, and says what applies it', async () => {
  await stack.pools.notifications.query('UPDATE _prisma_migrations SET rolled_back_at = now()');
  const { code, parts } = await doctor();
  await stack.pools.notifications.query('UPDATE _prisma_migrations SET rolled_back_at = NULL');
  expect(code).toBe(1);
  expect(partOf(parts, 'database notifications')).toMatchObject({
    health: 'unhealthy',
    fix: '`npm start` applies them',
  });
  expect(partOf(parts, 'database notifications').detail).toMatch(
    /^0 of \d+ migrations applied, not 0001_init/,
  );
});

test('the doctor tells a key that is refused and a namespace that is not there', async () => {
  const { code, parts } = await doctor({ STRIPE_SECRET_KEY: 'sk_test_wrong', TEMPORAL_NAMESPACE: 'nowhere' });
  expect(code).toBe(1);
  expect(partOf(parts, 'payment provider').detail).toMatch(/refuses our key: 401/);
  expect(partOf(parts, 'Temporal').detail).toBe('it has no namespace nowhere');
});

test('the doctor ends with 1 while the API is stopped', async () => {
  await stack.stopProcess('api');
  const { code, parts } = await doctor();
  await stack.restart('api');
  expect(code).toBe(1);
  expect(parts.filter(({ health }) => health === 'unhealthy').map(({ component }) => component)).toEqual([
    'API',
  ]);
  expect(partOf(parts, 'API').detail).toContain('ECONNREFUSED');
});

test('a donation is found by everything that names it', async () => {
  const providerPaymentId = await one('payments', 'SELECT provider_payment_id AS value FROM payments');
  const ways = {
    [donationId]: 'donation id',
    [donationId.toUpperCase()]: 'donation id',
    [`donation/${donationId}`]: 'workflow id',
    [`aftercare/${donationId}`]: 'workflow id',
    [key]: 'idempotency key',
    [`"${key}"`]: 'idempotency key',
    [providerPaymentId]: 'provider payment id',
    [await oneEvent()]: 'event id',
    [EMAIL.toLowerCase()]: 'donor e-mail',
    [campaignId]: 'campaign id',
  };
  for (const [text, by] of Object.entries(ways)) {
    const { code, stdout } = await careforall(['find', text, '--json']);
    expect(found.parse(JSON.parse(stdout)).donations, text).toMatchObject([
      {
        id: donationId,
        by: [by],
        status: 'CAPTURED',
        amount: 2_500,
        campaignId,
        providerPaymentId,
        watch: `npm run careforall -- watch ${donationId}`,
      },
    ]);
    expect(code).toBe(0);
  }
});

test('a found donation is one line with the command that tells its story', async () => {
  const { stdout } = await careforall(['find', key]);
  expect(stdout).toMatch(
    new RegExp(`^${donationId}  CAPTURED  25\\.00 USD  campaign ${campaignId}  \\S+Z  pi_\\w+$`, 'm'),
  );
  expect(stdout).toContain(`npm run careforall -- watch ${donationId}`);
  expect(stdout).not.toContain(EMAIL);
});

test('what nobody knows is not found, whatever it looks like', async () => {
  const id = randomUUID();
  for (const text of [id, `donation/${id}`, 'pi_none', 'evt_none', 'nobody@example.org', 'x', `'; DROP --`]) {
    const { code, stdout } = await careforall(['find', text]);
    expect(stdout, text).toContain('No donation is known by');
    expect(code).toBe(1);
  }
});

type Part = z.infer<typeof report>['components'][number];

async function doctor(
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number; parts: Part[]; shown: string }> {
  const { code, stdout } = await careforall(['doctor', '--json'], env);
  const { healthy, components } = report.parse(JSON.parse(stdout));
  expect(healthy).toBe(code === 0);
  return { code, parts: components, shown: stdout };
}

function partOf(parts: readonly Part[], name: string): Part {
  const part = parts.find(({ component }) => component === name);
  if (part === undefined) throw new Error(`the doctor says nothing of ${name}`);
  return part;
}

function careforall(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number; stdout: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(ROOT, 'cli', 'main.ts'), ...args],
      { env: { ...stack.environment, ...env } },
      (error, stdout) => resolve({ code: error === null ? 0 : Number(error.code), stdout }),
    );
  });
}

async function oneEvent(): Promise<string> {
  return await one(
    'payments',
    'SELECT event_id AS value FROM webhook_events ORDER BY received_at DESC LIMIT 1',
  );
}

async function one(service: 'payments', query: string): Promise<string> {
  const { rows } = await stack.pools[service].query<{ value: string }>(query);
  return rows[0]?.value ?? '';
}
