import { describe, expect, test } from 'vitest';
import {
  RANK,
  decide,
  evolve,
  initialFacts,
  lostToDisputesMinor,
  refundedMinor,
  refusalOf,
  statusOf,
} from '../../../domain/payment.ts';
import type { FactChange, PaymentEvent, PaymentFacts } from '../../../domain/payment.ts';

const ORDER = { amountMinor: 10_000, currency: 'USD' } as const;
const AUTHORIZED: FactChange = { type: 'authorized' };
const CAPTURED = { type: 'captured', amountMinor: 10_000 } as const;
const FAILED: FactChange = { type: 'closed', as: 'FAILED', code: 'card_declined' };
const EXPIRED: FactChange = { type: 'closed', as: 'EXPIRED', code: 'authorization_expired' };

function given(...changes: FactChange[]): PaymentFacts {
  return changes.reduce(evolve, initialFacts(ORDER));
}

function refund(refundId: string, amountMinor: number, status: 'pending' | 'succeeded' | 'failed') {
  return { type: 'refund', refundId, amountMinor, status } as const;
}

function dispute(disputeId: string, amountMinor: number, status: 'opened' | 'won' | 'lost') {
  return { type: 'dispute', disputeId, amountMinor, status } as const;
}

const AT = {
  INITIATED: given(),
  AUTHORIZED: given(AUTHORIZED),
  FAILED: given(FAILED),
  EXPIRED: given(AUTHORIZED, EXPIRED),
  CAPTURED: given(AUTHORIZED, CAPTURED),
  PARTIALLY_REFUNDED: given(AUTHORIZED, CAPTURED, refund('re_1', 4_000, 'succeeded')),
  REFUNDED: given(AUTHORIZED, CAPTURED, refund('re_1', 10_000, 'succeeded')),
} as const;

const nothing = { changes: [], commands: [] };

describe('statusOf', () => {
  test.each(Object.entries(AT))('%s is computed from its facts', (status, facts) => {
    expect(statusOf(facts)).toBe(status);
  });

  test('ranks follow the way of the money, and both ends without money have the same', () => {
    expect(RANK).toEqual({
      INITIATED: 0,
      AUTHORIZED: 1,
      FAILED: 2,
      EXPIRED: 2,
      CAPTURED: 3,
      PARTIALLY_REFUNDED: 4,
      REFUNDED: 5,
    });
  });

  test('a pending or a failed refund does not count', () => {
    const facts = given(
      AUTHORIZED,
      CAPTURED,
      refund('re_1', 10_000, 'pending'),
      refund('re_2', 10_000, 'failed'),
    );
    expect(statusOf(facts)).toBe('CAPTURED');
    expect(refundedMinor(facts)).toBe(0);
  });

  test('several refunds that add up to the capture make it REFUNDED', () => {
    const facts = given(
      AUTHORIZED,
      CAPTURED,
      ...[3_334, 3_333, 3_333].map((part, n) => refund(`re_${n}`, part, 'succeeded')),
    );
    expect(statusOf(facts)).toBe('REFUNDED');
  });

  test('a lost dispute is counted apart and leaves the status', () => {
    const facts = given(
      AUTHORIZED,
      CAPTURED,
      dispute('dp_1', 10_000, 'opened'),
      dispute('dp_1', 10_000, 'lost'),
    );
    expect(statusOf(facts)).toBe('CAPTURED');
    expect(lostToDisputesMinor(facts)).toBe(10_000);
  });

  test('one minor unit captured and given back is REFUNDED', () => {
    const one = [{ type: 'captured', amountMinor: 1 }, refund('re_1', 1, 'succeeded')] as const;
    expect(
      statusOf(one.reduce<PaymentFacts>(evolve, initialFacts({ amountMinor: 1, currency: 'JPY' }))),
    ).toBe('REFUNDED');
  });
});

describe('authorized', () => {
  test('at INITIATED it is a new fact', () => {
    expect(decide(AT.INITIATED, { type: 'authorized' }, 'keep')).toEqual({
      changes: [AUTHORIZED],
      commands: [],
    });
  });

  test.each(['FAILED', 'EXPIRED'] as const)(
    'at %s it changes nothing and is released with the reason of the end',
    (status) => {
      const { changes, commands } = decide(AT[status], { type: 'authorized' }, 'keep');
      expect(changes).toEqual([]);
      expect(commands).toEqual([{ type: 'release', code: AT[status].closed?.code }]);
    },
  );

  test.each(['AUTHORIZED', 'CAPTURED', 'PARTIALLY_REFUNDED', 'REFUNDED'] as const)(
    'at %s it is old news',
    (status) => {
      expect(decide(AT[status], { type: 'authorized' }, 'refund')).toEqual(nothing);
    },
  );

  test.each(['FAILED', 'EXPIRED'] as const)(
    'after a late capture at %s it is old news: captured money is not released',
    (status) => {
      expect(decide(evolve(AT[status], CAPTURED), { type: 'authorized' }, 'keep')).toEqual(nothing);
    },
  );
});

describe('captured', () => {
  test('at INITIATED it implies the authorization', () => {
    expect(decide(AT.INITIATED, CAPTURED, 'keep')).toEqual({ changes: [AUTHORIZED, CAPTURED], commands: [] });
  });

  test('at AUTHORIZED it is captured', () => {
    expect(decide(AT.AUTHORIZED, CAPTURED, 'refund')).toEqual({ changes: [CAPTURED], commands: [] });
  });

  test.each(['FAILED', 'EXPIRED'] as const)(
    'at %s it is booked, and kept or refunded by the policy',
    (status) => {
      expect(decide(AT[status], CAPTURED, 'keep')).toEqual({ changes: [CAPTURED], commands: [] });
      expect(decide(AT[status], CAPTURED, 'refund')).toEqual({
        changes: [CAPTURED],
        commands: [{ type: 'refund', amountMinor: 10_000, reason: 'late_capture' }],
      });
    },
  );

  test('after a late capture the payment is CAPTURED and still knows how it had ended', () => {
    const facts = evolve(AT.FAILED, CAPTURED);
    expect(statusOf(facts)).toBe('CAPTURED');
    expect(facts).toMatchObject({ authorized: true, closed: { as: 'FAILED', code: 'card_declined' } });
  });

  test('a late capture that was kept is not refunded when it is told again after the campaign closed', () => {
    expect(decide(evolve(AT.EXPIRED, CAPTURED), CAPTURED, 'refund')).toEqual(nothing);
  });

  test.each(['CAPTURED', 'PARTIALLY_REFUNDED', 'REFUNDED'] as const)('at %s it is old news', (status) => {
    expect(decide(AT[status], CAPTURED, 'refund')).toEqual(nothing);
    expect(refusalOf(AT[status], CAPTURED)).toBeNull();
  });

  test.each([0, -1, 0.5, NaN, 10_001])('a capture of %d of 10000 is refused', (amountMinor) => {
    const event = { type: 'captured', amountMinor } as const;
    expect(decide(AT.AUTHORIZED, event, 'keep')).toEqual(nothing);
    expect(refusalOf(AT.AUTHORIZED, event)).toBe('amount_differs');
  });

  test('a second capture of another amount is refused', () => {
    expect(refusalOf(AT.CAPTURED, { type: 'captured', amountMinor: 9_999 })).toBe('amount_differs');
  });
});

describe('declined, released and expired', () => {
  const endings: [PaymentEvent, FactChange, number][] = [
    [
      { type: 'declined', code: 'insufficient_funds' },
      { type: 'closed', as: 'FAILED', code: 'insufficient_funds' },
      1,
    ],
    [
      { type: 'released', code: 'cancelled_by_donor' },
      { type: 'closed', as: 'FAILED', code: 'cancelled_by_donor' },
      0,
    ],
    [{ type: 'expired' }, EXPIRED, 0],
  ];

  test.each(endings)(
    '%j closes a payment that is not captured; only a decline asks for a release',
    (event, change, releases) => {
      for (const facts of [AT.INITIATED, AT.AUTHORIZED]) {
        const { changes, commands } = decide(facts, event, 'keep');
        expect(changes).toEqual([change]);
        expect(commands).toHaveLength(releases);
      }
    },
  );

  test.each(endings)('%j after an end or a capture changes nothing: the first end is kept', (event) => {
    const { INITIATED: _, AUTHORIZED: __, ...closedOrCaptured } = AT;
    for (const facts of Object.values(closedOrCaptured))
      expect(decide(facts, event, 'refund')).toEqual(nothing);
  });
});

describe('refunds', () => {
  test.each(['INITIATED', 'AUTHORIZED', 'FAILED', 'EXPIRED'] as const)(
    'at %s a refund waits for its capture',
    (status) => {
      const event = refund('re_1', 1, 'succeeded');
      expect(decide(AT[status], event, 'keep')).toEqual(nothing);
      expect(refusalOf(AT[status], event)).toBe('before_capture');
    },
  );

  test('its status only rises: pending, succeeded, failed', () => {
    const statuses = ['pending', 'succeeded', 'failed'] as const;
    for (const [from, known] of statuses.entries()) {
      const facts = given(CAPTURED, refund('re_1', 4_000, known));
      for (const [to, status] of statuses.entries()) {
        const event = refund('re_1', 4_000, status);
        expect(decide(facts, event, 'keep').changes).toEqual(to > from ? [event] : []);
        expect(refusalOf(facts, event)).toBeNull();
      }
    }
  });

  test('a refund that fails after it succeeded gives the amount back to the campaign', () => {
    const facts = evolve(AT.REFUNDED, refund('re_1', 10_000, 'failed'));
    expect(statusOf(facts)).toBe('CAPTURED');
    expect(refundedMinor(facts)).toBe(0);
  });

  test('more than the capture is refused, alone and in sum', () => {
    expect(refusalOf(AT.CAPTURED, refund('re_1', 10_001, 'pending'))).toBe('exceeds_capture');
    expect(refusalOf(AT.PARTIALLY_REFUNDED, refund('re_2', 6_000, 'succeeded'))).toBeNull();
    expect(refusalOf(AT.PARTIALLY_REFUNDED, refund('re_2', 6_001, 'succeeded'))).toBe('exceeds_capture');
    expect(decide(AT.PARTIALLY_REFUNDED, refund('re_2', 6_001, 'succeeded'), 'keep')).toEqual(nothing);
  });

  test('what a lost dispute took cannot be refunded as well', () => {
    const facts = given(CAPTURED, dispute('dp_1', 6_000, 'lost'));
    expect(refusalOf(facts, refund('re_1', 4_000, 'succeeded'))).toBeNull();
    expect(refusalOf(facts, refund('re_1', 4_001, 'succeeded'))).toBe('exceeds_capture');
  });

  test('the same refund with another amount is refused', () => {
    expect(refusalOf(AT.PARTIALLY_REFUNDED, refund('re_1', 4_001, 'failed'))).toBe('amount_differs');
  });

  test.each([0, -1, 0.5, NaN, Infinity])('a refund of %d is refused', (amountMinor) => {
    expect(refusalOf(AT.CAPTURED, refund('re_1', amountMinor, 'succeeded'))).toBe('amount_differs');
  });

  test.each(['__proto__', 'constructor', 'toString'])('a refund may be called %s', (refundId) => {
    const facts = given(CAPTURED, refund(refundId, 4_000, 'succeeded'));
    expect(refundedMinor(facts)).toBe(4_000);
    expect(decide(facts, refund(refundId, 4_000, 'succeeded'), 'keep')).toEqual(nothing);
    expect(refundedMinor(JSON.parse(JSON.stringify(facts)) as PaymentFacts)).toBe(4_000);
  });
});

describe('disputes', () => {
  test('opened becomes won or lost, once', () => {
    const opened = given(CAPTURED, dispute('dp_1', 10_000, 'opened'));
    for (const [outcome, other] of [
      ['won', 'lost'],
      ['lost', 'won'],
    ] as const) {
      const settled = evolve(opened, dispute('dp_1', 10_000, outcome));
      expect(decide(settled, dispute('dp_1', 10_000, outcome), 'keep')).toEqual(nothing);
      expect(decide(settled, dispute('dp_1', 10_000, 'opened'), 'keep')).toEqual(nothing);
      expect(refusalOf(settled, dispute('dp_1', 10_000, other))).toBe('outcome_differs');
      expect(decide(settled, dispute('dp_1', 10_000, other), 'keep')).toEqual(nothing);
    }
  });

  test('a dispute that is won loses nothing', () => {
    expect(lostToDisputesMinor(given(CAPTURED, dispute('dp_1', 10_000, 'won')))).toBe(0);
  });

  test('a dispute waits for the capture and cannot take what was refunded', () => {
    expect(refusalOf(AT.AUTHORIZED, dispute('dp_1', 10_000, 'opened'))).toBe('before_capture');
    expect(refusalOf(AT.PARTIALLY_REFUNDED, dispute('dp_1', 10_000, 'opened'))).toBeNull();
    expect(refusalOf(AT.PARTIALLY_REFUNDED, dispute('dp_1', 6_001, 'lost'))).toBe('exceeds_capture');
    expect(refusalOf(AT.PARTIALLY_REFUNDED, dispute('dp_1', 6_000, 'lost'))).toBeNull();
  });
});

describe('evolve', () => {
  test('leaves the facts that it was given as they were', () => {
    const facts = Object.freeze({ ...AT.CAPTURED, refunds: Object.freeze({}), disputes: Object.freeze({}) });
    evolve(facts, refund('re_1', 1, 'succeeded'));
    evolve(facts, dispute('dp_1', 1, 'lost'));
    expect(facts).toEqual(AT.CAPTURED);
  });

  test('refuses a change that its facts do not allow', () => {
    const impossible: [PaymentFacts, FactChange][] = [
      [AT.FAILED, AUTHORIZED],
      [AT.FAILED, EXPIRED],
      [AT.CAPTURED, FAILED],
      [AT.CAPTURED, CAPTURED],
      [AT.AUTHORIZED, { type: 'captured', amountMinor: 10_001 }],
      [AT.AUTHORIZED, refund('re_1', 1, 'succeeded')],
      [AT.REFUNDED, refund('re_1', 10_000, 'pending')],
      [AT.REFUNDED, refund('re_2', 1, 'succeeded')],
      [AT.AUTHORIZED, dispute('dp_1', 1, 'opened')],
    ];
    for (const [facts, change] of impossible) expect(() => evolve(facts, change)).toThrow('payment facts');
  });
});
