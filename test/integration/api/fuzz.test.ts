/** Requests nobody thought of: never a 5xx, never a hang, never a row without a 202. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { allRows, donate, donationBody, newCampaign, newKey, startGateway, type Gateway } from './gateway.ts';
import { sendBytes, type Answer } from './http-client.ts';
import { allRefunds, newPayment, refund } from './refunding.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns']);
let gateway: Gateway;
let campaignId: string;
let rows: number;
beforeAll(async () => {
  gateway = await startGateway({ urls });
  campaignId = await newCampaign(gateway);
  rows = await allRows(gateway.pools.donations);
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

/** The same requests in every run. */
const SEED = { seed: 20_260_101 };

function expectNoFault(status: number): void {
  expect(status).toBeGreaterThanOrEqual(200);
  expect(status).toBeLessThan(500);
}

async function expectSane({ status, headers }: Answer): Promise<void> {
  expectNoFault(status);
  const before = rows;
  rows = await allRows(gateway.pools.donations);
  const isNew = status === 202 && headers['idempotent-replayed'] === undefined;
  expect(rows - before, `answered ${status}`).toBe(isNew ? 1 : 0);
}

/** One of these characters. */
function oneOf(characters: string): fc.Arbitrary<string> {
  return fc.constantFrom(...Array.from(characters));
}

/** Mostly the right value, so that the wrong one meets code that trusts the rest. */
function usually(right: unknown): fc.Arbitrary<unknown> {
  const odd = fc.oneof(fc.jsonValue(), fc.string({ unit: 'binary' }), fc.double(), fc.constant(undefined));
  return fc.oneof({ weight: 6, arbitrary: fc.constant(right) }, { weight: 1, arbitrary: odd });
}

const headerText = fc.string({
  unit: oneOf(' \t!"#$%&\'()*+,-./0123456789:;<=>?@AZ[\\]^_`az{|}~\u00E9'),
});

test('bodies with any fields of any kind', async () => {
  const body = fc
    .record(
      {
        campaignId: usually(campaignId),
        amount: usually(2500),
        currency: usually('USD'),
        paymentMethod: usually('pm_card_visa'),
        donor: fc.oneof(
          usually({ anonymous: true }),
          fc.record({ name: usually('Ada'), email: usually('ada@example.org'), anonymous: usually(false) }),
        ),
        message: usually('hello'),
      },
      { requiredKeys: [] },
    )
    .chain((valid) =>
      fc.oneof(
        { weight: 4, arbitrary: fc.constant(JSON.stringify(valid)) },
        {
          weight: 1,
          arbitrary: fc
            .jsonValue()
            .map((extra) => JSON.stringify({ ...valid, [JSON.stringify(extra)]: extra })),
        },
      ),
    );
  const accepted = { count: 0 };
  await fc.assert(
    fc.asyncProperty(body, async (text) => {
      const answer = await donate(gateway, newKey(), text);
      await expectSane(answer);
      if (answer.status === 202) accepted.count += 1;
    }),
    { ...SEED, numRuns: 300 },
  );
  // Both sides were tried.
  expect(accepted.count).toBeGreaterThan(10);
  expect(accepted.count).toBeLessThan(290);
});

test('bodies that are any bytes, or correct ones with damage', async () => {
  const correct = Buffer.from(
    JSON.stringify(donationBody(campaignId, { donor: { name: 'Zoë' }, message: 'a "b" \\c' })),
  );
  const damaged = fc
    .array(fc.tuple(fc.nat(correct.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
    .map((edits) => {
      const bytes = Buffer.from(correct);
      for (const [at, value] of edits) bytes[at] = value;
      return bytes;
    });
  const cut = fc.nat(correct.length).map((length) => correct.subarray(0, length));
  const any = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes));
  const structure = fc
    .string({ unit: oneOf('{}[]",:\\0e-.ntu \u0000'), maxLength: 200 })
    .map((text) => Buffer.from(text));
  await fc.assert(
    fc.asyncProperty(fc.oneof(damaged, cut, any, structure), async (bytes) => {
      await expectSane(await donate(gateway, newKey(), bytes));
    }),
    { ...SEED, numRuns: 400 },
  );
});

test('refunds with any fields of any kind, and any bytes', async () => {
  const { payments } = gateway.pools;
  const fields = fc
    .record(
      { amount: usually(1), currency: usually('USD'), reason: usually('hello'), more: usually(undefined) },
      { requiredKeys: [] },
    )
    .map((body) => JSON.stringify(body));
  const bytes = fc.string({ unit: oneOf('{}[]",:\\0e-.ntu \u0000'), maxLength: 60 });
  const id = fc.oneof(
    { weight: 5, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.oneof(fc.uuid(), fc.webSegment(), fc.constant('%00')) },
  );
  let stored = 0;
  const runs = 120;
  await fc.assert(
    fc.asyncProperty(id, fc.oneof({ weight: 4, arbitrary: fields }, bytes), async (target, text) => {
      const before = await allRefunds(payments);
      const { status } = await refund(gateway, target ?? (await newPayment(payments)), newKey(), text);
      expectNoFault(status);
      expect((await allRefunds(payments)) - before, `answered ${status}`).toBe(status === 202 ? 1 : 0);
      if (status === 202) stored += 1;
    }),
    { ...SEED, numRuns: runs },
  );
  // Both sides were tried.
  expect(stored).toBeGreaterThan(10);
  expect(stored).toBeLessThan(runs - 10);
});

test('headers with any values', async () => {
  const name = fc.constantFrom(
    'Idempotency-Key', 'Content-Type', 'Content-Encoding', 'Authorization', 'Accept', 'Accept-Encoding', 'Prefer', 'traceparent',
    'tracestate', 'baggage', 'If-None-Match', 'If-Match', 'If-Modified-Since', 'Range', 'X-Forwarded-For', 'X-HTTP-Method-Override',
    'Cookie', 'Origin', 'Stripe-Signature', 'Cache-Control', '__proto__', 'constructor',
  ); // prettier-ignore
  const value = fc.oneof(
    headerText,
    fc.uuid(),
    fc.constantFrom(
      'application/json',
      'gzip',
      '*',
      'Bearer x',
      'wait=0',
      'respond-async',
      '0',
      'null',
      `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    ),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(name, value), { maxLength: 6 }),
      fc.boolean(),
      async (headers, whole) => {
        const base: [string, string][] = whole
          ? [
              ['Content-Type', 'application/json'],
              ['Idempotency-Key', newKey()],
            ]
          : [];
        const answer = await gateway.send({
          method: 'POST',
          path: '/donate',
          headers: [...base, ...headers],
          body: JSON.stringify(donationBody(campaignId)),
        });
        await expectSane(answer);
      },
    ),
    { ...SEED, numRuns: 300 },
  );
});

test('any method on any address', async () => {
  const part = fc.oneof(
    fc.constantFrom(
      'donate',
      'donations',
      'refunds',
      'cancel',
      'campaigns',
      'webhooks',
      'stripe',
      'total',
      'close',
      'livez',
      '..',
      '%2e%2e',
      '%00',
      '%',
      '%E0%A4%A',
      '*',
      '',
    ),
    fc.uuid(),
    fc.constant(campaignId),
    fc.webSegment(),
    fc.string({ unit: oneOf('az09%.~!$&\'()*+,;=:@"<>\\^`{|}[]\u00E9'), maxLength: 12 }),
  );
  const query = fc.oneof(
    fc.constant(''),
    fc.webQueryParameters().map((text) => `?${text}`),
    fc
      .tuple(
        fc.constantFrom('limit', 'cursor', '__proto__', 'limit[]'),
        fc.oneof(fc.webSegment(), fc.nat().map(String)),
      )
      .map(([name, value]) => `?${name}=${value}`),
    // A cursor of the right shape with anything in it.
    fc
      .tuple(
        fc.oneof(
          fc.string(),
          fc.date({ noInvalidDate: true }).map((date) => date.toISOString().replace('Z', '000Z')),
        ),
        fc.oneof(fc.uuid(), fc.string()),
      )
      .map((pair) => `?cursor=${Buffer.from(JSON.stringify(pair)).toString('base64url')}`),
    fc.jsonValue().map((value) => `?cursor=${Buffer.from(JSON.stringify(value)).toString('base64url')}`),
  );
  const method = fc.constantFrom(
    'GET',
    'HEAD',
    'OPTIONS',
    'POST',
    'PUT',
    'PATCH',
    'DELETE',
    'TRACE',
    'PROPFIND',
    'QUERY',
  );
  const parts = fc.oneof(
    fc.array(part, { maxLength: 4 }),
    fc.constant(['campaigns']),
    part.map((id) => ['campaigns', id, 'total']),
    part.map((id) => ['donations', id]),
    fc
      .tuple(part, fc.constantFrom('refunds', 'cancel', 'events'))
      .map(([id, what]) => ['donations', id, what]),
    fc.tuple(part, part).map(([id, refundId]) => ['donations', id, 'refunds', refundId]),
  );
  await fc.assert(
    fc.asyncProperty(method, parts, query, async (verb, path, search) => {
      const answer = await sendBytes(
        gateway.port,
        Buffer.from(
          `${verb} /${path.join('/')}${search} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
          'latin1',
        ),
      );
      await expectSane(answer);
    }),
    { ...SEED, numRuns: 500 },
  );
});

test('requests with damaged bytes anywhere', async () => {
  const body = JSON.stringify(donationBody(campaignId));
  // Ends whatever the server waits for after the damage: a longer body, more headers, another request. The HTTP parser
  // may answer this rest before the request is done, so only the status is looked at.
  const rest = '\r\n\r\n!'.repeat(400);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(1_000), fc.nat(255)), { minLength: 1, maxLength: 3 }),
      async (edits) => {
        const bytes = Buffer.from(
          `POST /donate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: ${newKey()}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
        );
        for (const [at, value] of edits) bytes[at % bytes.length] = value;
        expectNoFault((await sendBytes(gateway.port, Buffer.concat([bytes, Buffer.from(rest)]))).status);
      },
    ),
    { ...SEED, numRuns: 200 },
  );
});

test('afterwards the process still works', async () => {
  expect((await donate(gateway, newKey(), donationBody(campaignId))).status).toBe(202);
  expect((await gateway.send({ path: '/readyz' })).status).toBe(200);
});
