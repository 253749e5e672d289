import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { initialFacts, refundedMinor, type PaymentFacts } from '../../../domain/payment.ts';
import {
  compare,
  compareUnmatched,
  leftMinor,
  type FindingAction,
  type FindingClass,
  type LocalSide,
  type ProviderSide,
} from '../../../domain/reconciliation.ts';

const DONATION = '6f9b5f0e-5d0c-8a4e-9a39-0d6f1c1f2a11';
const OLD = 1_000;
const FRESH_AFTER = 2_000;
const FRESH = 3_000;

type Pair = { readonly local: LocalSide; readonly provider: ProviderSide };

type Shape = {
  readonly status: 'open' | 'authorized' | 'failed' | 'captured';
  readonly amountMinor: number;
  readonly parts: readonly { readonly share: number; readonly status: 'pending' | 'succeeded' | 'failed' }[];
  readonly dispute: 'opened' | 'won' | 'lost' | null;
  readonly fee: number;
};

/** Both sides of one payment, as they are when everything agrees. */
function agree({ status, amountMinor, parts, dispute, fee }: Shape): Pair {
  const captured = status === 'captured';
  const refunds = captured
    ? parts.map(({ share, status: refundStatus }, index) => ({
        amountMinor: Math.max(1, Math.floor((amountMinor * share) / (100 * (parts.length + 1)))),
        status: refundStatus,
        n: index + 1,
      }))
    : [];
  const disputes = captured && dispute !== null ? [{ amountMinor: 1, status: dispute }] : [];
  const facts: PaymentFacts = {
    ...initialFacts({ amountMinor, currency: 'USD' }),
    authorized: status === 'authorized' || captured,
    capturedMinor: captured ? amountMinor : 0,
    closed: status === 'failed' ? { as: 'FAILED', code: 'generic_decline' } : null,
    refunds: Object.fromEntries(refunds.map(({ n, ...fact }) => [`ours-${n}`, fact])),
    disputes: Object.fromEntries(disputes.map((fact) => ['ours', fact])),
  };
  return {
    local: {
      donationId: DONATION,
      providerPaymentId: 'pi_1',
      facts,
      fee: captured ? { amountMinor: fee, currency: 'USD' } : null,
      undecided: false,
      refunds: refunds.map(({ n, ...fact }) => ({
        ...fact,
        id: `ours-${n}`,
        providerRefundId: `re_${n}`,
        createdAtMs: OLD,
      })),
      disputes: disputes.map((fact) => ({ ...fact, id: 'ours', providerDisputeId: 'dp_1' })),
    },
    provider: {
      id: 'pi_1',
      donationId: DONATION,
      amountMinor,
      currency: 'USD',
      fee: captured ? { amountMinor: fee, currency: 'USD' } : null,
      receivedMinor: captured ? amountMinor : 0,
      refunds: refunds.map(({ n, ...fact }) => ({
        ...fact,
        id: `re_${n}`,
        refundId: null,
        currency: 'USD',
        createdAtMs: OLD,
      })),
      disputes: disputes.map((fact) => ({ ...fact, id: 'dp_1', currency: 'USD', createdAtMs: OLD })),
      ...AT_PROVIDER[status](amountMinor),
    },
  };
}

type Standing = Pick<ProviderSide, 'status' | 'holds' | 'isEnded' | 'proves'>;
const AT_PROVIDER: Readonly<Record<Shape['status'], (amountMinor: number) => Standing>> = {
  open: () => ({ status: 'requires_confirmation', holds: 'nothing', isEnded: false, proves: [] }),
  authorized: () => ({
    status: 'requires_capture',
    holds: 'authorization',
    isEnded: false,
    proves: [{ type: 'authorized' }],
  }),
  failed: () => ({
    status: 'canceled',
    holds: 'nothing',
    isEnded: true,
    proves: [{ type: 'released', code: 'released' }],
  }),
  captured: (amountMinor) => ({
    status: 'succeeded',
    holds: 'money',
    isEnded: true,
    proves: [{ type: 'captured', amountMinor }],
  }),
};

const shape = (statuses: readonly Shape['status'][]): fc.Arbitrary<Shape> =>
  fc.record({
    status: fc.constantFrom(...statuses),
    amountMinor: fc.integer({ min: 1_000, max: 99_999_999 }),
    parts: fc.array(
      fc.record({
        share: fc.integer({ min: 1, max: 99 }),
        status: fc.constantFrom('pending' as const, 'succeeded' as const, 'failed' as const),
      }),
      { maxLength: 4 },
    ),
    dispute: fc.constantFrom('opened' as const, 'won' as const, 'lost' as const, null),
    fee: fc.integer({ min: 0, max: 900 }),
  });

const ANY = ['open', 'authorized', 'failed', 'captured'] as const;

type Mutation = {
  readonly name: string;
  readonly of: readonly Shape['status'][];
  readonly change: (pair: Pair, by: number) => Pair;
  readonly yields: readonly [FindingClass, FindingAction];
};

const provider = (pair: Pair, change: Partial<ProviderSide>): Pair => ({
  ...pair,
  provider: { ...pair.provider, ...change },
});
const local = (pair: Pair, change: Partial<LocalSide>): Pair => ({
  ...pair,
  local: { ...pair.local, ...change },
});
const newRefund = (by: number): ProviderSide['refunds'][number] => ({
  id: 're_by_hand',
  refundId: null,
  amountMinor: by,
  currency: 'USD',
  status: 'succeeded',
  createdAtMs: OLD,
});

const MUTATIONS: readonly Mutation[] = [
  {
    name: 'we do not know its id',
    of: ANY,
    change: (pair) => local(pair, { providerPaymentId: null, refunds: [], disputes: [] }),
    yields: ['MISSING_LOCAL', 'look'],
  },
  {
    name: 'the provider has another amount',
    of: ANY,
    change: (pair, by) => provider(pair, { amountMinor: pair.provider.amountMinor + by }),
    yields: ['AMOUNT', 'review'],
  },
  {
    name: 'the provider received another amount',
    of: ['captured'],
    change: (pair, by) => provider(pair, { receivedMinor: pair.provider.receivedMinor - by }),
    yields: ['AMOUNT', 'review'],
  },
  {
    name: 'it is in another currency',
    of: ANY,
    change: (pair) => provider(pair, { currency: 'EUR' }),
    yields: ['CURRENCY', 'review'],
  },
  {
    name: 'it names another donation',
    of: ANY,
    change: (pair) => provider(pair, { donationId: null }),
    yields: ['WRONG_DONATION', 'review'],
  },
  {
    name: 'it was captured and we do not know',
    of: ['open', 'authorized', 'failed'],
    change: (pair) => {
      const { amountMinor } = pair.provider;
      return provider(pair, { ...AT_PROVIDER.captured(amountMinor), receivedMinor: amountMinor });
    },
    yields: ['STATUS', 'look'],
  },
  {
    name: 'it is authorized and we do not know, or have given it up',
    of: ['open', 'failed'],
    change: (pair) => provider(pair, AT_PROVIDER.authorized(0)),
    yields: ['STATUS', 'look'],
  },
  {
    name: 'we have given it up and it can still be confirmed',
    of: ['failed'],
    change: (pair) => provider(pair, AT_PROVIDER.open(0)),
    yields: ['STATUS', 'look'],
  },
  {
    name: 'nobody has decided about late money',
    of: ['captured'],
    change: (pair) => local(pair, { undecided: true }),
    yields: ['STATUS', 'look'],
  },
  {
    name: 'the provider takes back what it had proven',
    of: ['captured'],
    change: (pair) =>
      provider(pair, {
        ...AT_PROVIDER.authorized(0),
        receivedMinor: 0,
        refunds: [],
        disputes: [],
        fee: null,
      }),
    yields: ['STATUS', 'review'],
  },
  {
    name: 'a second payment took the money again',
    of: ['captured'],
    change: (pair) => provider(pair, { id: 'pi_2', refunds: [], disputes: [] }),
    yields: ['DUPLICATE_CHARGE', 'suspense'],
  },
  {
    name: 'a second payment holds the money again',
    of: ['captured'],
    change: (pair) => provider(pair, { ...AT_PROVIDER.authorized(0), id: 'pi_2' }),
    yields: ['DUPLICATE_CHARGE', 'review'],
  },
  {
    name: 'the fee is another one',
    of: ['captured'],
    change: (pair, by) =>
      provider(pair, { fee: { amountMinor: (pair.provider.fee?.amountMinor ?? 0) + by, currency: 'USD' } }),
    yields: ['FEE_DRIFT', 'look'],
  },
  {
    name: 'the fee was never booked',
    of: ['captured'],
    change: (pair) => local(pair, { fee: null }),
    yields: ['FEE_DRIFT', 'look'],
  },
  {
    name: 'the fee is in another currency than it was booked in',
    of: ['captured'],
    change: (pair) => provider(pair, { fee: { amountMinor: 1, currency: 'EUR' } }),
    yields: ['FEE_DRIFT', 'review'],
  },
  {
    name: 'a refund was made by hand',
    of: ['captured'],
    change: (pair, by) => provider(pair, { refunds: [...pair.provider.refunds, newRefund(by)] }),
    yields: ['REFUND_MISSING', 'look'],
  },
  {
    name: 'a refund that we promised was never made',
    of: ['captured'],
    change: (pair, by) =>
      local(pair, {
        refunds: [
          ...pair.local.refunds,
          {
            id: 'promised',
            providerRefundId: null,
            amountMinor: by,
            status: 'pending',
            createdAtMs: OLD,
          },
        ],
      }),
    yields: ['REFUND_MISSING', 'look'],
  },
  {
    name: 'a refund that we know is unknown to the provider',
    of: ['captured'],
    change: (pair, by) =>
      local(pair, {
        refunds: [
          ...pair.local.refunds,
          {
            id: 'gone',
            providerRefundId: 're_gone',
            amountMinor: by,
            status: 'succeeded',
            createdAtMs: OLD,
          },
        ],
      }),
    yields: ['REFUND_MISSING', 'review'],
  },
  {
    name: 'the bank has opened a dispute',
    of: ['captured'],
    change: (pair) =>
      provider(pair, {
        disputes: [
          ...pair.provider.disputes,
          { id: 'dp_new', amountMinor: 1, currency: 'USD', status: 'opened', createdAtMs: OLD },
        ],
      }),
    yields: ['STATUS', 'look'],
  },
  {
    name: 'a dispute that we know is unknown to the provider',
    of: ['captured'],
    change: (pair) =>
      local(pair, {
        disputes: [
          ...pair.local.disputes,
          { id: 'gone', providerDisputeId: 'dp_gone', amountMinor: 1, status: 'opened' },
        ],
      }),
    yields: ['STATUS', 'review'],
  },
];

const shortened = ({ local: ours, provider: theirs }: Pair): [FindingClass, FindingAction][] =>
  compare(ours, theirs, FRESH_AFTER).map((finding) => [finding.class, finding.action]);

describe('a payment and its provider’s', () => {
  it('that agree yield nothing', () => {
    fc.assert(
      fc.property(shape(ANY), (given) => {
        expect(shortened(agree(given))).toEqual([]);
      }),
    );
  });

  it.each(MUTATIONS.map((mutation): [string, Mutation] => [mutation.name, mutation]))(
    'of which %s yield exactly that',
    (_, { of, change, yields }) => {
      fc.assert(
        fc.property(shape(of), fc.integer({ min: 1, max: 50 }), (given, by) => {
          expect(shortened(change(agree(given), by))).toEqual([yields]);
        }),
      );
    },
  );

  it('yield each refund and dispute that the other side has further on, by its own id', () => {
    const pair = agree({ ...CAPTURED, parts: [{ share: 50, status: 'pending' }], dispute: 'opened' });
    const [refund] = pair.provider.refunds;
    const [dispute] = pair.provider.disputes;
    if (refund === undefined || dispute === undefined) throw new Error('the pair has one of each');
    const moved = provider(pair, {
      refunds: [{ ...refund, status: 'succeeded' }],
      disputes: [{ ...dispute, status: 'won' }],
    });
    expect(compare(moved.local, moved.provider, FRESH_AFTER)).toEqual([
      expect.objectContaining({
        class: 'STATUS',
        action: 'look',
        subject: 're_1',
        providerRefundId: 're_1',
        expected: 'pending',
        found: 'succeeded',
      }),
      expect.objectContaining({
        class: 'STATUS',
        action: 'look',
        subject: 'dp_1',
        expected: 'opened',
        found: 'won',
      }),
    ]);
  });

  it('do not disagree about what has only just begun', () => {
    const pair = agree(CAPTURED);
    const begun = provider(pair, {
      refunds: [{ ...newRefund(10), createdAtMs: FRESH }],
      disputes: [{ id: 'dp_new', amountMinor: 1, currency: 'USD', status: 'opened', createdAtMs: FRESH }],
    });
    expect(shortened(begun)).toEqual([]);
    const promised = local(pair, {
      refunds: [
        {
          id: 'promised',
          providerRefundId: null,
          amountMinor: 10,
          status: 'pending',
          createdAtMs: FRESH,
        },
      ],
    });
    expect(shortened(promised)).toEqual([]);
  });

  it('do not disagree about a second payment that holds nothing, or whose money has gone back', () => {
    const pair = agree(CAPTURED);
    expect(shortened(provider(pair, { ...AT_PROVIDER.failed(0), id: 'pi_2' }))).toEqual([]);
    const returned = [newRefund(CAPTURED.amountMinor)];
    expect(shortened(provider(pair, { id: 'pi_2', refunds: returned }))).toEqual([]);
  });
});

const CAPTURED: Shape = { status: 'captured', amountMinor: 2_500, parts: [], dispute: null, fee: 100 };

describe('a provider’s payment of which we have none', () => {
  const ORDER = { donationId: DONATION, amountMinor: 2_500, currency: 'USD' };
  const { provider: paid } = agree(CAPTURED);

  it('goes to suspense when it took money and names no donation of ours', () => {
    expect(compareUnmatched(paid, null)).toMatchObject({
      class: 'MISSING_LOCAL',
      action: 'suspense',
      subject: 'pi_1',
      donationId: null,
    });
  });

  it('is started again when it is what the donation asked for', () => {
    expect(compareUnmatched(paid, ORDER)).toMatchObject({ class: 'MISSING_LOCAL', action: 'restart' });
    const held = { ...paid, ...AT_PROVIDER.authorized(0), receivedMinor: 0 };
    expect(compareUnmatched(held, ORDER)).toMatchObject({ class: 'MISSING_LOCAL', action: 'restart' });
  });

  it('goes to suspense when it is not what the donation asked for', () => {
    expect(compareUnmatched(paid, { ...ORDER, amountMinor: 2_501 })).toMatchObject({
      class: 'AMOUNT',
      action: 'suspense',
    });
    expect(compareUnmatched(paid, { ...ORDER, currency: 'EUR' })).toMatchObject({
      class: 'CURRENCY',
      action: 'suspense',
    });
  });

  it('is only looked at by a person while it holds money that nobody took', () => {
    const held = { ...paid, ...AT_PROVIDER.authorized(0), receivedMinor: 0 };
    expect(compareUnmatched(held, null)).toMatchObject({ class: 'MISSING_LOCAL', action: 'review' });
  });

  it('is nothing when it holds nothing, or gave everything back', () => {
    expect(compareUnmatched({ ...paid, ...AT_PROVIDER.failed(0) }, null)).toBeNull();
    expect(compareUnmatched({ ...paid, refunds: [newRefund(2_500)] }, null)).toBeNull();
  });

  it('has left what was taken less what succeeded in going back', () => {
    fc.assert(
      fc.property(shape(['captured']), (given) => {
        const { local: ours, provider: theirs } = agree(given);
        const lost = given.dispute === 'lost' ? 1 : 0;
        expect(leftMinor(theirs)).toBe(given.amountMinor - refundedMinor(ours.facts) - lost);
      }),
    );
  });
});
