import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPool } from '../../../platform/postgres.ts';
import { isolatedDatabases } from './isolated-databases.ts';
import { outboxMoves, outboxRefusals } from './outbox-rules.ts';
import { rulesOf, tryMove, type Move, type RefusedMove } from './rules.ts';

const { urls } = isolatedDatabases(['campaigns', 'notifications']);
let pool: Pool;
let notifications: Pool;
beforeAll(() => {
  pool = createPool({ url: urls.campaigns, max: 2, name: 'test' });
  notifications = createPool({ url: urls.notifications, max: 2, name: 'test' });
});
afterAll(async () => {
  await Promise.all([pool.end(), notifications.end()]);
});

const ID = '00000000-0000-8000-8000-0000000000c1';
const campaign = (changes: Readonly<Record<string, string>> = {}): string => {
  const columns = {
    id: `'${ID}'`,
    title: `'Wells'`,
    currency: `'USD'`,
    created_by: `'organiser'`,
    ...changes,
  };
  return `insert into campaigns (${Object.keys(columns).join(', ')}) values (${Object.values(columns).join(', ')})`;
};
const totals = `insert into campaign_totals (campaign_id, total_pledged, total_captured, donation_count) values ('${ID}', 100, 100, 1)`;
const increment = (set: string): string => `update campaign_totals set version = version + 1, ${set}`;
const entry = (kind = 'captured', amount = 100): string =>
  `insert into applied_entries (entry_id, campaign_id, donation_id, kind, amount)
   values ('d:2:captured', '${ID}', gen_random_uuid(), '${kind}', ${amount})`;
const started = [campaign(), totals];

const refused: RefusedMove[] = [
  { name: 'a campaign without a title', rule: 'campaigns_title_length', when: campaign({ title: `''` }) },
  {
    name: 'a title of 141 characters',
    rule: 'campaigns_title_length',
    when: campaign({ title: `repeat('t', 141)` }),
  },
  {
    name: 'a campaign in lower-case currency',
    rule: 'campaigns_currency_shape',
    when: campaign({ currency: `'usd'` }),
  },
  { name: 'a goal of nothing', rule: 'campaigns_goal_range', when: campaign({ goal: '0' }) },
  {
    name: 'a goal that a number cannot hold exactly',
    rule: 'campaigns_goal_range',
    when: campaign({ goal: '9007199254740992' }),
  },
  {
    name: 'a campaign in an unknown status',
    rule: 'campaigns_status_known',
    when: campaign({ status: `'paused'` }),
  },
  {
    name: 'a campaign before its first version',
    rule: 'campaigns_version_range',
    when: campaign({ version: '0' }),
  },
  ...[`currency = 'EUR'`, 'id = gen_random_uuid()', `created_by = 'eve'`].map((set) => ({
    name: `a campaign rewritten by ${set}`,
    rule: 'campaigns_currency_immutable',
    given: [campaign()],
    when: `update campaigns set version = 2, ${set}`,
  })),
  {
    name: 'a campaign closed at the old version',
    rule: 'campaigns_version_grows',
    given: [campaign()],
    when: `update campaigns set status = 'closed'`,
  },
  {
    name: 'a campaign whose version falls',
    rule: 'campaigns_version_grows',
    given: [campaign({ version: '5' })],
    when: 'update campaigns set version = 4',
  },

  ...(
    [
      ['total_pledged = -1', 'campaign_totals_pledged_range'],
      ['total_refunded = -1', 'campaign_totals_refunded_range'],
      ['dispute_lost = -1', 'campaign_totals_dispute_lost_range'],
      ['donation_count = -1', 'campaign_totals_donation_count_range'],
      ['total_refunded = 101', 'campaign_totals_raised_not_negative'],
      ['dispute_lost = 101', 'campaign_totals_raised_not_negative'],
      ['total_refunded = 60, dispute_lost = 41', 'campaign_totals_raised_not_negative'],
    ] as const
  ).map(([set, rule]) => ({ name: `totals with ${set}`, rule, given: started, when: increment(set) })),
  {
    name: 'a negative capture',
    rule: 'campaign_totals_captured_range',
    given: [campaign()],
    when: `insert into campaign_totals (campaign_id, total_captured) values ('${ID}', -1)`,
  },
  {
    name: 'totals at a negative version',
    rule: 'campaign_totals_version_range',
    given: [campaign()],
    when: `insert into campaign_totals (campaign_id, version) values ('${ID}', -1)`,
  },
  { name: 'totals of no campaign', rule: 'campaign_totals_campaign_id_fkey', when: totals },
  {
    name: 'an increment at the old version',
    rule: 'campaign_totals_version_grows',
    given: started,
    when: 'update campaign_totals set total_pledged = 200',
  },
  {
    name: 'totals whose version falls',
    rule: 'campaign_totals_version_grows',
    given: started,
    when: 'update campaign_totals set version = -1',
  },

  {
    name: 'an entry applied twice',
    rule: 'applied_entries_pkey',
    given: [campaign(), entry()],
    when: entry(),
  },
  {
    name: 'an entry of an unknown kind',
    rule: 'applied_entries_kind_known',
    given: [campaign()],
    when: entry('gift'),
  },
  {
    name: 'an entry of nothing',
    rule: 'applied_entries_amount_range',
    given: [campaign()],
    when: entry('captured', 0),
  },
  {
    name: 'a negative entry',
    rule: 'applied_entries_amount_range',
    given: [campaign()],
    when: entry('captured', -100),
  },
  { name: 'an entry of no campaign', rule: 'applied_entries_campaign_id_fkey', when: entry() },
  ...['update applied_entries set amount = 1', 'delete from applied_entries'].map((when) => ({
    name: `applied entries rewritten by ${when}`,
    rule: 'applied_entries_append_only',
    given: [campaign(), entry()],
    when,
  })),
  ...outboxRefusals,
];

const accepted: Move[] = [
  {
    name: 'a campaign drafted, opened and closed',
    given: [campaign()],
    when: [
      `update campaigns set status = 'open', version = 2`,
      `update campaigns set status = 'closed', version = 3`,
    ],
  },
  {
    name: 'a campaign written back unchanged',
    given: [campaign()],
    when: 'update campaigns set title = title',
  },
  { name: 'the largest goal', when: campaign({ goal: '9007199254740991' }) },
  {
    name: 'a capture counted before its pledge',
    given: started,
    when: increment('total_captured = 200, donation_count = 2'),
  },
  {
    name: 'everything refunded and disputed',
    given: started,
    when: increment('total_refunded = 60, dispute_lost = 40'),
  },
  {
    name: 'a refund that failed later',
    given: [...started, increment('total_refunded = 100')],
    when: increment('total_refunded = 0'),
  },
  { name: 'a pledge taken back', given: started, when: increment('total_pledged = 0') },
  {
    name: 'an entry and its increment',
    given: started,
    when: [entry(), increment('total_captured = total_captured + 100')],
  },
  {
    name: 'a reset',
    given: [...started, entry()],
    when: 'truncate campaigns, campaign_totals, applied_entries, outbox_events',
  },
  ...outboxMoves,
];

describe('the campaigns database refuses', () => {
  test.each(refused)('$name', async (move) => {
    expect(await tryMove(pool, move)).toEqual({ given: 'accepted', when: move.rule });
  });
});

describe('the campaigns database accepts', () => {
  test.each(accepted)('$name', async (move) => {
    expect(await tryMove(pool, move)).toEqual({ given: 'accepted', when: 'accepted' });
  });
});

test('every CHECK and trigger of the campaigns database is seen to refuse something', async () => {
  const seen = new Set(refused.map((move) => move.rule));
  expect((await rulesOf(pool)).filter((rule) => !seen.has(rule))).toEqual([]);
});

const receipt = (amount: number, currency = 'USD'): string =>
  `insert into receipts (donation_id, campaign_id, amount, currency) values ('${ID}', '${ID}', ${amount}, '${currency}')`;
const message = `insert into inbox_messages (message_id, type) values ('${ID}', 'donation.captured.v1')`;
const notice = (changes: Readonly<Record<string, string>> = {}): string => {
  const columns = {
    message_id: `'${ID}'`,
    donation_id: `'${ID}'`,
    campaign_id: `'${ID}'`,
    audience: `'donor'`,
    kind: `'refund.succeeded'`,
    amount: '2500',
    currency: `'USD'`,
    ...changes,
  };
  return `insert into notices (${Object.keys(columns).join(', ')}) values (${Object.values(columns).join(', ')})`;
};
const refusedNotifications: RefusedMove[] = [
  { name: 'a message handled twice', rule: 'inbox_messages_pkey', given: [message], when: message },
  {
    name: 'a second receipt for a donation',
    rule: 'receipts_pkey',
    given: [receipt(2500)],
    when: receipt(2500),
  },
  { name: 'a receipt for nothing', rule: 'receipts_amount_range', when: receipt(0) },
  { name: 'a receipt in lower-case currency', rule: 'receipts_currency_shape', when: receipt(2500, 'usd') },
  { name: 'a notice told twice', rule: 'notices_pkey', given: [message, notice()], when: notice() },
  { name: 'a notice of no message', rule: 'notices_message_id_fkey', when: notice() },
  {
    name: 'a notice for nobody we know',
    rule: 'notices_audience_known',
    given: [message],
    when: notice({ audience: `'everybody'` }),
  },
  {
    name: 'a notice about nothing',
    rule: 'notices_amount_range',
    given: [message],
    when: notice({ amount: '0' }),
  },
  {
    name: 'a notice in lower-case currency',
    rule: 'notices_currency_shape',
    given: [message],
    when: notice({ currency: `'usd'` }),
  },
];

describe('the notifications database refuses', () => {
  test.each(refusedNotifications)('$name', async (move) => {
    expect(await tryMove(notifications, move)).toEqual({ given: 'accepted', when: move.rule });
  });
});

test('every CHECK and trigger of the notifications database is seen to refuse something', async () => {
  const seen = new Set(refusedNotifications.map((move) => move.rule));
  expect((await rulesOf(notifications)).filter((rule) => !seen.has(rule))).toEqual([]);
});
