import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPool } from '../../../platform/postgres.ts';
import { isolatedDatabases } from './isolated-databases.ts';
import { outboxMoves, outboxRefusals } from './outbox-rules.ts';
import { rulesOf, tryMove, type Move, type RefusedMove } from './rules.ts';

const { urls } = isolatedDatabases(['donations']);
let pool: Pool;
beforeAll(() => {
  pool = createPool({ url: urls.donations, max: 2, name: 'test' });
});
afterAll(async () => {
  await pool.end();
});

const ID = '00000000-0000-8000-8000-000000000001';
const CAMPAIGN = '00000000-0000-8000-8000-0000000000c1';
const KEY = 'key-of-sixteen-c';
const ADA = '00000000-0000-4000-8000-0000000000ad';
const EVE = '00000000-0000-4000-8000-0000000000ee';

function insert(table: string, columns: Readonly<Record<string, string>>): string {
  return `insert into ${table} (${Object.keys(columns).join(', ')}) values (${Object.values(columns).join(', ')})`;
}
const request = (changes: Readonly<Record<string, string>> = {}): string =>
  insert('donation_requests', {
    id: `'${ID}'`,
    scope: `'guest'`,
    idempotency_key: `'${KEY}'`,
    fingerprint: `sha256('body')`,
    campaign_id: `'${CAMPAIGN}'`,
    amount: '2500',
    currency: `'USD'`,
    payment_method: `'pm_card_visa'`,
    body: `'{"amount":2500}'`,
    ...changes,
  });
const pledge = (changes: Readonly<Record<string, string>> = {}): string =>
  insert('pledges', {
    id: `'${ID}'`,
    campaign_id: `'${CAMPAIGN}'`,
    amount: '2500',
    currency: `'USD'`,
    idempotency_key: `'${KEY}'`,
    ...changes,
  });
const pledged = (status: string, version: number): string[] => [
  request(),
  pledge({ status: `'${status}'`, version: String(version) }),
];
const mirror = (status: string, version: number): string =>
  `update pledges set status = '${status}', version = ${version}`;
const installation = `insert into installation (id, secret) values (1, sha256('secret'))`;
const command = (type = 'cancel'): string =>
  `insert into workflow_commands (id, donation_id, type) values (gen_random_uuid(), '${ID}', '${type}')`;
const cardAttempt = (changes: Readonly<Record<string, string>> = {}): string =>
  insert('card_attempts', {
    donation_id: `'${ID}'`,
    subject: `substring(sha256('address') for 16)`,
    card: `substring(sha256('card') for 16)`,
    ...changes,
  });
const snapshot = `insert into campaign_snapshots (id, currency, status, version) values ('${CAMPAIGN}', 'USD', 'closed', 3)`;

const refusedCommands: RefusedMove[] = [
  {
    name: 'an unknown command',
    rule: 'workflow_commands_type_known',
    given: [request()],
    when: command('refund'),
  },
  {
    name: 'a donation cancelled twice',
    rule: 'workflow_commands_donation_id_type_key',
    given: [request(), command()],
    when: command(),
  },
  {
    name: 'a cancel of a donation that nobody asked for',
    rule: 'workflow_commands_donation_id_fkey',
    when: command(),
  },
  {
    name: 'negative attempts of a command',
    rule: 'workflow_commands_attempts_range',
    given: [request(), command()],
    when: 'update workflow_commands set attempts = -1',
  },
];

const refused: RefusedMove[] = [
  ...refusedCommands,
  {
    name: 'a second installation',
    rule: 'installation_single_row',
    when: `insert into installation values (2, sha256('x'))`,
  },
  {
    name: 'a short installation secret',
    rule: 'installation_secret_length',
    when: `insert into installation values (1, 'x')`,
  },
  {
    name: 'another installation secret',
    rule: 'installation_kept_for_ever',
    given: [installation],
    when: `update installation set secret = sha256('other')`,
  },
  {
    name: 'an installation without its secret',
    rule: 'installation_kept_for_ever',
    given: [installation],
    when: 'delete from installation',
  },

  { name: 'a scope nobody owns', rule: 'donation_requests_scope_shape', when: request({ scope: `'admin'` }) },
  ...['user:', 'user:ada', `user:${ADA.toUpperCase()}`, `user:${ADA} `, ` user:${ADA}`, ADA, 'guest:'].map(
    (scope) => ({
      name: `"${scope}" for an account`,
      rule: 'donation_requests_scope_shape',
      when: request({ scope: `'${scope}'` }),
    }),
  ),
  {
    name: 'a key of 15 characters',
    rule: 'donation_requests_key_shape',
    when: request({ idempotency_key: `repeat('k', 15)` }),
  },
  {
    name: 'a key of 256 characters',
    rule: 'donation_requests_key_shape',
    when: request({ idempotency_key: `repeat('k', 256)` }),
  },
  {
    name: 'a key with a space',
    rule: 'donation_requests_key_shape',
    when: request({ idempotency_key: `'key with sixteen'` }),
  },
  {
    name: 'a key with a line feed',
    rule: 'donation_requests_key_shape',
    when: request({ idempotency_key: `E'sixteen-letters-\n'` }),
  },
  {
    name: 'a key beyond ASCII',
    rule: 'donation_requests_key_shape',
    when: request({ idempotency_key: `'sixteen-letters-é'` }),
  },
  {
    name: 'a fingerprint of another hash',
    rule: 'donation_requests_fingerprint_length',
    when: request({ fingerprint: `sha512('body')` }),
  },
  { name: 'a request for nothing', rule: 'donation_requests_amount_range', when: request({ amount: '0' }) },
  { name: 'a negative request', rule: 'donation_requests_amount_range', when: request({ amount: '-2500' }) },
  {
    name: 'a request above the largest charge',
    rule: 'donation_requests_amount_range',
    when: request({ amount: '100000000' }),
  },
  {
    name: 'a request in lower-case currency',
    rule: 'donation_requests_currency_shape',
    when: request({ currency: `'usd'` }),
  },
  {
    name: 'a second request under the same key',
    rule: 'donation_requests_scope_idempotency_key_key',
    given: [request()],
    when: request({ id: 'gen_random_uuid()' }),
  },
  {
    name: 'a cancel after capture has started',
    rule: 'donation_requests_cancel_or_capture',
    given: [request({ capture_started_at: 'now()' })],
    when: 'update donation_requests set cancel_requested_at = now()',
  },
  {
    name: 'a capture after the cancel',
    rule: 'donation_requests_cancel_or_capture',
    given: [request({ cancel_requested_at: 'now()' })],
    when: 'update donation_requests set capture_started_at = now()',
  },
  {
    name: 'a cancel taken back',
    rule: 'donation_requests_decision_stands',
    given: [request({ cancel_requested_at: 'now()' })],
    when: 'update donation_requests set cancel_requested_at = null',
  },
  {
    name: 'a started capture forgotten in favour of a cancel',
    rule: 'donation_requests_decision_stands',
    given: [request({ capture_started_at: 'now()' })],
    when: 'update donation_requests set capture_started_at = null, cancel_requested_at = now()',
  },
  {
    name: 'negative attempts of a request',
    rule: 'donation_requests_attempts_range',
    when: request({ attempts: '-1' }),
  },
  {
    name: 'a deleted request',
    rule: 'donation_requests_never_deleted',
    given: [request()],
    when: 'delete from donation_requests',
  },
  ...[
    `id = gen_random_uuid()`,
    `scope = 'user:${EVE}'`,
    `idempotency_key = 'another-sixteen-c'`,
    `fingerprint = sha256('other')`,
    `campaign_id = gen_random_uuid()`,
    `amount = 2501`,
    `currency = 'EUR'`,
    `payment_method = 'pm_other'`,
    `body = '{"amount":2501}'`,
    `accepted_at = now() - interval '1 day'`,
  ].map((set) => ({
    name: `a request rewritten by ${set}`,
    rule: 'donation_requests_body_immutable',
    given: [request()],
    when: `update donation_requests set ${set}`,
  })),

  {
    name: 'a pledge of nothing',
    rule: 'pledges_amount_range',
    given: [request()],
    when: pledge({ amount: '0' }),
  },
  {
    name: 'a pledge above the largest charge',
    rule: 'pledges_amount_range',
    given: [request()],
    when: pledge({ amount: '100000000' }),
  },
  {
    name: 'a pledge in no currency',
    rule: 'pledges_currency_shape',
    given: [request()],
    when: pledge({ currency: `'US'` }),
  },
  {
    name: 'a pledge in an unknown status',
    rule: 'pledges_status_known',
    given: [request()],
    when: pledge({ status: `'PAID'` }),
  },
  {
    name: 'a pledge moved to an unknown status',
    rule: 'pledges_status_known',
    given: pledged('INITIATED', 0),
    when: mirror('captured', 1),
  },
  {
    name: 'a pledge at a negative version',
    rule: 'pledges_version_range',
    given: [request()],
    when: pledge({ version: '-1' }),
  },
  {
    name: 'a name of 101 characters',
    rule: 'pledges_donor_name_length',
    given: [request()],
    when: pledge({ donor_name: `repeat('n', 101)` }),
  },
  {
    name: 'a digest of the donor that is none',
    rule: 'pledges_donor_key_digest',
    given: [request()],
    when: pledge({ donor_key: `'ada@example.org'` }),
  },
  {
    name: 'an e-mail of 255 characters',
    rule: 'pledges_donor_email_length',
    given: [request()],
    when: pledge({ donor_email: `repeat('e', 255)` }),
  },
  {
    name: 'a message of 501 characters',
    rule: 'pledges_message_length',
    given: [request()],
    when: pledge({ message: `repeat('m', 501)` }),
  },
  { name: 'a pledge without its request', rule: 'pledges_id_fkey', when: pledge() },
  {
    name: 'a pledge that goes to another account',
    rule: 'pledges_donor_never_another',
    given: [request(), pledge({ donor_id: `'${ADA}'` })],
    when: `update pledges set donor_id = '${EVE}'`,
  },
  {
    name: 'a deleted pledge',
    rule: 'pledges_never_deleted',
    given: pledged('INITIATED', 0),
    when: 'delete from pledges',
  },
  ...[
    `amount = 1`,
    `currency = 'EUR'`,
    `campaign_id = gen_random_uuid()`,
    `idempotency_key = 'another-sixteen-c'`,
  ].map((set) => ({
    name: `a pledge rewritten by ${set}`,
    rule: 'pledges_money_immutable',
    given: pledged('INITIATED', 0),
    when: `update pledges set ${set}`,
  })),
  ...(
    [
      ['AUTHORIZED', 'INITIATED'],
      ['FAILED', 'INITIATED'],
      ['FAILED', 'AUTHORIZED'],
      ['FAILED', 'EXPIRED'],
      ['EXPIRED', 'FAILED'],
      ['CAPTURED', 'AUTHORIZED'],
      ['CAPTURED', 'FAILED'],
      ['CAPTURED', 'EXPIRED'],
      ['PARTIALLY_REFUNDED', 'FAILED'],
      ['REFUNDED', 'AUTHORIZED'],
    ] as const
  ).map(([from, to]) => ({
    name: `a pledge going back from ${from} to ${to}`,
    rule: 'pledges_status_never_falls',
    given: pledged(from, 5),
    when: mirror(to, 6),
  })),
  {
    name: 'a new status at the old version',
    rule: 'pledges_version_grows',
    given: pledged('INITIATED', 1),
    when: mirror('AUTHORIZED', 1),
  },
  {
    name: 'a new status at an older version',
    rule: 'pledges_version_grows',
    given: pledged('AUTHORIZED', 2),
    when: mirror('CAPTURED', 1),
  },
  {
    name: 'a version that falls',
    rule: 'pledges_version_grows',
    given: pledged('AUTHORIZED', 2),
    when: 'update pledges set version = 1',
  },

  {
    name: 'an attempt whose subject is no digest',
    rule: 'card_attempts_subject_digest',
    when: cardAttempt({ subject: `'192.0.2.1'` }),
  },
  {
    name: 'an attempt whose card is no digest',
    rule: 'card_attempts_card_digest',
    when: cardAttempt({ card: `'pm_card_visa'` }),
  },
  {
    name: 'an attempt that was declined at no time',
    rule: 'card_attempts_decided_together',
    when: cardAttempt({ declined: 'true' }),
  },
  {
    name: 'an attempt that was decided without an outcome',
    rule: 'card_attempts_decided_together',
    when: cardAttempt({ decided_at: 'now()' }),
  },
  {
    name: 'an attempt counted twice',
    rule: 'card_attempts_pkey',
    given: [cardAttempt()],
    when: cardAttempt(),
  },

  {
    name: 'a snapshot in no currency',
    rule: 'campaign_snapshots_currency_shape',
    when: snapshot.replace('USD', 'usd'),
  },
  {
    name: 'a snapshot in an unknown status',
    rule: 'campaign_snapshots_status_known',
    when: snapshot.replace('closed', 'gone'),
  },
  {
    name: 'a snapshot before the first version',
    rule: 'campaign_snapshots_version_range',
    when: snapshot.replace('3)', '0)'),
  },
  {
    name: 'a late event that opens a closed campaign',
    rule: 'campaign_snapshots_version_grows',
    given: [snapshot],
    when: `update campaign_snapshots set status = 'open', version = 2`,
  },
  {
    name: 'another status of the same version',
    rule: 'campaign_snapshots_version_grows',
    given: [snapshot],
    when: `update campaign_snapshots set status = 'open'`,
  },
  {
    name: 'another deadline of the same version',
    rule: 'campaign_snapshots_version_grows',
    given: [snapshot],
    when: 'update campaign_snapshots set deadline = now()',
  },
  {
    name: 'a snapshot in another currency',
    rule: 'campaign_snapshots_currency_immutable',
    given: [snapshot],
    when: `update campaign_snapshots set currency = 'EUR', version = 4`,
  },
  ...outboxRefusals,
];

const accepted: Move[] = [
  { name: 'the first installation secret', when: installation },
  { name: 'the smallest donation', when: request({ amount: '1' }) },
  { name: 'the largest donation', when: request({ amount: '99999999' }) },
  {
    name: 'a key of 16 and one of 255 characters',
    when: [request(), request({ id: 'gen_random_uuid()', idempotency_key: `repeat('~', 255)` })],
  },
  {
    name: 'the same key in another scope',
    given: [request()],
    when: request({ id: 'gen_random_uuid()', scope: `'user:${ADA}'` }),
  },
  {
    name: 'a request claimed, delayed, parked and started',
    given: [request()],
    when: [
      `update donation_requests set attempts = attempts + 1, claimed_until = now() + interval '30 s'`,
      `update donation_requests set next_attempt_at = now() + interval '1 s', last_error = 'down', claimed_until = null`,
      'update donation_requests set parked_at = now()',
      'update donation_requests set parked_at = null, started_at = now()',
    ],
  },
  {
    name: 'a request written back unchanged',
    given: [request()],
    when: 'update donation_requests set amount = amount, body = body, accepted_at = accepted_at',
  },
  { name: 'a cancel', given: [request()], when: 'update donation_requests set cancel_requested_at = now()' },
  {
    name: 'a cancel repeated',
    given: [request({ cancel_requested_at: 'now()' })],
    when: 'update donation_requests set cancel_requested_at = now()',
  },
  {
    name: 'a capture started',
    given: [request()],
    when: 'update donation_requests set capture_started_at = now()',
  },
  {
    name: 'a pledge from INITIATED to CAPTURED at once',
    given: pledged('INITIATED', 0),
    when: mirror('CAPTURED', 2),
  },
  { name: 'a pledge captured after it had failed', given: pledged('FAILED', 1), when: mirror('CAPTURED', 2) },
  {
    name: 'a pledge captured after it had expired',
    given: pledged('EXPIRED', 1),
    when: mirror('CAPTURED', 2),
  },
  {
    name: 'a pledge refunded in parts',
    given: pledged('CAPTURED', 2),
    when: [mirror('PARTIALLY_REFUNDED', 3), mirror('REFUNDED', 4)],
  },
  { name: 'a full refund that failed later', given: pledged('REFUNDED', 3), when: mirror('CAPTURED', 4) },
  {
    name: 'one of two refunds that failed later',
    given: pledged('REFUNDED', 4),
    when: mirror('PARTIALLY_REFUNDED', 5),
  },
  {
    name: 'a partial refund that failed later',
    given: pledged('PARTIALLY_REFUNDED', 3),
    when: mirror('CAPTURED', 4),
  },
  {
    name: 'a donor who is forgotten',
    given: pledged('CAPTURED', 2),
    when: 'update pledges set donor_name = null, donor_email = null, message = null, anonymous = true',
  },
  {
    name: 'an account that is forgotten, and one that a pledge is found to be of',
    given: [request(), pledge({ donor_id: `'${ADA}'` })],
    when: ['update pledges set donor_id = null', `update pledges set donor_id = '${EVE}'`],
  },
  {
    name: 'a campaign that closes',
    given: [snapshot],
    when: `update campaign_snapshots set status = 'open', version = 4`,
  },
  {
    name: 'a deadline that is moved, and one that is taken away',
    given: [snapshot],
    when: ['now()', 'null'].map(
      (deadline) => `update campaign_snapshots set deadline = ${deadline}, version = version + 1`,
    ),
  },
  {
    name: 'a snapshot read again',
    given: [snapshot],
    when: 'update campaign_snapshots set updated_at = now()',
  },
  {
    name: 'a cancel that is delivered twice',
    given: [request(), command()],
    when: [1, 2].map(() => 'update workflow_commands set delivered_at = now(), attempts = attempts + 1'),
  },
  {
    name: 'a reset',
    given: pledged('CAPTURED', 2),
    when: 'truncate donation_requests, pledges, outbox_events, campaign_snapshots, workflow_commands',
  },
  ...outboxMoves,
];

describe('the donations database refuses', () => {
  test.each(refused)('$name', async (move) => {
    expect(await tryMove(pool, move)).toEqual({ given: 'accepted', when: move.rule });
  });
});

describe('the donations database accepts', () => {
  test.each(accepted)('$name', async (move) => {
    expect(await tryMove(pool, move)).toEqual({ given: 'accepted', when: 'accepted' });
  });
});

test('every CHECK and trigger of the donations database is seen to refuse something', async () => {
  const seen = new Set(refused.map((move) => move.rule));
  expect((await rulesOf(pool)).filter((rule) => !seen.has(rule))).toEqual([]);
});
