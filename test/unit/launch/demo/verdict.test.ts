import { expect, test } from 'vitest';
import { countCharges } from '../../../../launch/demo/books.ts';
import type { KeyRecord } from '../../../../launch/stage/donors.ts';
import { countSightings } from '../../../../launch/demo/faults.ts';
import { planGifts } from '../../../../launch/stage/plan.ts';
import { SENDS_PER_KEY } from '../../../../launch/demo/storm.ts';
import type { Effect } from '../../../../launch/stage/simulator.ts';
import { whatWentWrong, type Findings } from '../../../../launch/demo/verdict.ts';

const records: readonly KeyRecord[] = planGifts(20, 1).map((gift, index) => ({
  gift,
  ids: new Set([`donation-${index}`]),
  answers: SENDS_PER_KEY,
  repeats: SENDS_PER_KEY - 1,
}));
const ledger: readonly Effect[] = records.map(({ gift, ids }) => ({
  type: gift.approved ? 'captured' : 'declined',
  donationId: [...ids][0] ?? null,
  amountMinor: gift.amountMinor,
  currency: gift.campaign.currency,
}));

const fine: Findings = {
  records,
  sightings: [{ what: 'webhook lost for good', times: 3, seenBy: 'the provider' }],
  waiting: {},
  charges: countCharges(records, ledger),
  books: [{ currency: 'USD', givenMinor: 5, chargedMinor: 5, pledgedMinor: 5, totalMinor: 5 }],
  report: {
    discrepancies: 0,
    totals: {
      donations: records.length,
      captured: 19,
      endedWithoutMoney: 1,
      inFlight: 0,
      newer: 0,
      money: [],
      providerPayments: 20,
      providerRefunds: 0,
      providerDisputes: 0,
      workflows: 20,
      campaigns: 3,
      openWebhooks: 0,
    },
  },
};

test('a demo in which everything happened and everything agrees has shown what it claims', () => {
  expect(whatWentWrong(fine)).toEqual([]);
});

const [first, ...others] = records;
if (first === undefined) throw new Error('no records');

test.each<[string, Partial<Findings>, string]>([
  [
    'a fault that never happened',
    { sightings: [{ what: 'worker killed', times: 0, seenBy: 'it' }] },
    'never happened',
  ],
  ['a donation that is not final', { waiting: { 'donations under way': 1 } }, '1 donations under way'],
  ['an outbox that is not empty', { waiting: { 'events not published': 2 } }, '2 events not published'],
  [
    'a key with two donations',
    { records: [{ ...first, ids: new Set(['a', 'b']) }, ...others] },
    'exactly one donation each',
  ],
  [
    'a key without a donation',
    { records: [{ ...first, ids: new Set() }, ...others] },
    'exactly one donation each',
  ],
  ['a request without an answer', { records: [{ ...first, answers: 4 }, ...others] }, 'not answered 5 times'],
  ['a wrong charge', { charges: { right: 19, wrong: 1 } }, 'not charged as often as they should be'],
  [
    'a total that is one cent off',
    { books: [{ currency: 'USD', givenMinor: 5, chargedMinor: 5, pledgedMinor: 5, totalMinor: 4 }] },
    'USD of the four witnesses',
  ],
  ['a discrepancy', { report: { ...fine.report, discrepancies: 1 } }, 'the audit found 1 discrepancies'],
  [
    'an audit that looked elsewhere',
    { report: { ...fine.report, totals: { ...fine.report.totals, donations: 0 } } },
    'the audit compared 0 donations',
  ],
])('%s makes the demo fail, and it says so', (_, change, reason) => {
  expect(whatWentWrong({ ...fine, ...change }).join('\n')).toContain(reason);
});

test('a charge is right once for a card that works and never for one that is declined', () => {
  expect(fine.charges).toEqual({ right: 20, wrong: 0 });
  const captured = ledger.find(({ type }) => type === 'captured');
  const declined = ledger.find(({ type }) => type === 'declined');
  if (captured === undefined || declined === undefined) throw new Error('both kinds are needed');
  expect(countCharges(records, [...ledger, captured])).toEqual({ right: 19, wrong: 1 });
  expect(countCharges(records, [...ledger, { ...declined, type: 'captured' }])).toEqual({
    right: 19,
    wrong: 1,
  });
  expect(
    countCharges(
      records,
      ledger.filter((effect) => effect !== captured),
    ),
  ).toEqual({ right: 19, wrong: 1 });
  expect(countCharges(records, [...ledger, { ...captured, donationId: 'nobody' }])).toEqual({
    right: 20,
    wrong: 1,
  });
});

test('a machine without Redis is not blamed for one that was not emptied', () => {
  const sources = {
    ledger,
    fired: {},
    webhooks: { waiting: 0, delivered: 0, dropped: 0, attempts: 0 },
    repeats: 80,
    killed: 1,
    orphaned: 3,
  };
  const names = (redis: { flushes: number; forgottenKeys: number } | null): string[] =>
    countSightings({ ...sources, redis }).map(({ what }) => what);
  expect(names(null)).not.toContain('Redis emptied');
  expect(names({ flushes: 0, forgottenKeys: 0 })).toContain('Redis emptied');
});
