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
/** Changes the campaign as its owner would. */
const change = (set: string): string => `update campaigns set version = version + 1, ${set}`;
const opened = campaign({ status: `'open'` });
const asked = (scope = 'user:1', key = 'k'.repeat(16), digest = `sha256('a')`): string =>
  `insert into campaign_requests (scope, idempotency_key, fingerprint, campaign_id) values ('${scope}', '${key}', ${digest}, '${ID}')`;
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
  ...[
    `'ab'`,
    `repeat('a', 81)`,
    `'Wells'`,
    `'wells-'`,
    `'-wells'`,
    `'wells--deep'`,
    `'deep wells'`,
    `'wéll'`,
    `E'wells\\n'`,
  ].map((slug) => ({
    name: `the slug ${slug}`,
    rule: 'campaigns_slug_shape',
    when: campaign({ slug }),
  })),
  {
    name: 'a slug that looks like an id',
    rule: 'campaigns_slug_is_no_id',
    when: campaign({ slug: `'${ID}'` }),
  },
  {
    name: 'a slug of another campaign',
    rule: 'campaigns_slug_key',
    given: [campaign({ slug: `'wells'` })],
    when: campaign({ id: 'gen_random_uuid()', slug: `'wells'` }),
  },
  {
    name: 'a story of 20,001 characters',
    rule: 'campaigns_story_length',
    when: campaign({ story: `repeat('s', 20001)` }),
  },
  ...[
    `'http://example.org/a.jpg'`,
    `'javascript:alert(1)'`,
    `'https://example.org/a b'`,
    `'https://' || repeat('a', 2041)`,
  ].map((url) => ({
    name: `the cover ${url}`,
    rule: 'campaigns_cover_url_shape',
    when: campaign({ cover_url: url }),
  })),
  ...['now()', `now() - interval '1 day'`, `'infinity'`].map((deadline) => ({
    name: `a deadline at ${deadline}`,
    rule: 'campaigns_deadline_range',
    when: campaign({ deadline }),
  })),
  {
    name: 'a draft that was published',
    rule: 'campaigns_draft_is_unpublished',
    when: campaign({ published_at: 'now()' }),
  },
  {
    name: 'an open campaign with an end',
    rule: 'campaigns_closed_has_time',
    given: [opened],
    when: change('closed_at = now()'),
  },
  {
    name: 'a campaign closed by chance',
    rule: 'campaigns_closed_reason_known',
    given: [opened],
    when: change(`status = 'closed', closed_reason = 'chance'`),
  },
  {
    name: 'an open campaign with a reason to be closed',
    rule: 'campaigns_closed_reason_of_closed',
    given: [opened],
    when: change(`closed_reason = 'owner'`),
  },
  ...(
    [
      ['open', 'draft'],
      ['closed', 'open'],
      ['closed', 'draft'],
    ] as const
  ).map(([from, to]) => ({
    name: `a campaign that goes back from ${from} to ${to}`,
    rule: 'campaigns_status_forward',
    given: [campaign({ status: `'${from}'` })],
    when: change(`status = '${to}'`),
  })),
  ...[`slug = 'deep-wells'`, 'published_at = null', `published_at = now() - interval '1 day'`].map((set) => ({
    name: `a published campaign rewritten by ${set}`,
    rule: 'campaigns_slug_fixed',
    given: [opened],
    when: change(set),
  })),
  ...[
    'goal = 1',
    `deadline = now() + interval '1 day'`,
    `closed_reason = 'owner'`,
    `closed_at = now() + interval '1 day'`,
  ].map((set) => ({
    name: `a closed campaign rewritten by ${set}`,
    rule: 'campaigns_closing_fixed',
    given: [campaign({ status: `'closed'` })],
    when: change(set),
  })),
  ...['owner_id = gen_random_uuid()', 'owner_id = null'].map((set) => ({
    name: `a campaign given away by ${set}`,
    rule: 'campaigns_owner_immutable',
    given: [campaign({ owner_id: `'${ID}'` })],
    when: change(set),
  })),

  {
    name: 'a second campaign under a key',
    rule: 'campaign_requests_pkey',
    given: [campaign(), asked()],
    when: asked(),
  },
  {
    name: 'a key of no campaign',
    rule: 'campaign_requests_campaign_id_fkey',
    when: asked(),
  },
  {
    name: 'a key of nobody',
    rule: 'campaign_requests_scope_shape',
    given: [campaign()],
    when: asked('guest'),
  },
  ...['k'.repeat(15), 'k'.repeat(256), 'k k k k k k k k k'].map((key) => ({
    name: `the key "${key}"`,
    rule: 'campaign_requests_key_shape',
    given: [campaign()],
    when: asked('user:1', key),
  })),
  {
    name: 'a fingerprint that is no SHA-256',
    rule: 'campaign_requests_fingerprint_length',
    given: [campaign()],
    when: asked('user:1', 'k'.repeat(16), `'abc'`),
  },
  ...[`update campaign_requests set fingerprint = sha256('b')`, 'delete from campaign_requests'].map(
    (when) => ({
      name: `keys rewritten by ${when}`,
      rule: 'campaign_requests_append_only',
      given: [campaign(), asked()],
      when,
    }),
  ),

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
  {
    name: 'a draft that gets a slug of its own and is published in one go',
    given: [campaign()],
    when: change(`slug = 'wells', status = 'open'`),
  },
  {
    name: 'a draft that is closed unpublished',
    given: [campaign()],
    when: change(`status = 'closed', closed_reason = 'owner'`),
  },
  {
    name: 'a campaign closed by its deadline',
    given: [campaign({ status: `'open'`, deadline: `now() + interval '1 hour'` })],
    when: change(`status = 'closed', closed_reason = 'deadline'`),
  },
  {
    name: 'a closed campaign whose story goes on',
    given: [campaign({ status: `'closed'` })],
    when: change(`title = 'Deep wells', story = 'They run.', cover_url = 'https://example.org/a.jpg'`),
  },
  {
    name: 'a key claimed before its campaign, in one transaction',
    when: [asked(), campaign()],
  },
  ...["'abc'", "repeat('a', 80)", "'12-wells'"].map((slug) => ({
    name: `the slug ${slug}`,
    when: campaign({ slug }),
  })),
  { name: 'the longest story', when: campaign({ story: `repeat('s', 20000)` }) },
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
    when: 'truncate campaigns, campaign_totals, campaign_requests, applied_entries, outbox_events',
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
