import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toPage } from '../../../provider/stripe/shapes.ts';
import { toProviderDispute } from '../../../provider/stripe/translate-dispute.ts';
import { toProviderRefund } from '../../../provider/stripe/translate-refund.ts';
import { disputeBody, refundBody } from './stripe-stub.ts';

const LAST_MOMENT = 8_640_000_000_000;

describe('a Refund becomes a refund', () => {
  test('with our ids from its metadata, the currency in upper case and the time as a date', () => {
    expect(toProviderRefund(refundBody())).toEqual({
      id: 're_1',
      status: 'succeeded',
      amountMinor: 1_000,
      currency: 'USD',
      paymentId: 'pi_1',
      chargeId: 'ch_1',
      donationId: 'd',
      refundId: 'r',
      failureReason: null,
      createdAt: new Date('2027-01-15T08:00:00Z'),
    });
  });

  test.each(['pending', 'requires_action', 'succeeded', 'failed', 'canceled'])('that is %s', (status) => {
    expect(toProviderRefund(refundBody({ status }))?.status).toBe(status);
  });

  test('of nobody when it was made at the dashboard', () => {
    const ids = { donationId: null, refundId: null };
    expect(toProviderRefund(refundBody({ metadata: {} }))).toMatchObject(ids);
    expect(toProviderRefund(refundBody({ metadata: null }))).toMatchObject(ids);
  });

  test('that says why it failed', () => {
    const body = refundBody({ status: 'failed', failure_reason: 'declined' });
    expect(toProviderRefund(body)?.failureReason).toBe('declined');
  });

  test('whether payment and charge are ids, objects, or absent', () => {
    const expanded = { payment_intent: { id: 'pi_9', object: 'payment_intent' }, charge: { id: 'ch_9' } };
    expect(toProviderRefund(refundBody(expanded))).toMatchObject({ paymentId: 'pi_9', chargeId: 'ch_9' });
    const absent = refundBody({ payment_intent: null, charge: undefined });
    expect(toProviderRefund(absent)).toMatchObject({ paymentId: null, chargeId: null });
  });
});

describe('a Dispute becomes a dispute', () => {
  test('with its amount, its reason and what it is about', () => {
    expect(toProviderDispute(disputeBody())).toEqual({
      id: 'du_1',
      status: 'opened',
      amountMinor: 2_500,
      currency: 'EUR',
      paymentId: 'pi_1',
      chargeId: 'ch_1',
      reason: 'fraudulent',
      createdAt: new Date('2027-01-15T08:00:00Z'),
    });
  });

  test.each([
    ['warning_needs_response', 'inquiry'],
    ['warning_under_review', 'inquiry'],
    ['warning_closed', 'inquiry'],
    ['needs_response', 'opened'],
    ['under_review', 'opened'],
    ['appeal_needs_response', 'opened'],
    ['appeal_under_review', 'opened'],
    ['won', 'won'],
    ['lost', 'lost'],
  ])('that is %s as %s', (status, ours) => {
    expect(toProviderDispute(disputeBody({ status }))?.status).toBe(ours);
  });

  test.each([
    [[], 'won'],
    [[{ amount: -2_500 }], 'lost'],
    [[{ amount: -2_500 }, { amount: 2_500 }], 'won'],
  ])('that was prevented as the movements %j on our balance tell', (balance_transactions, ours) => {
    expect(toProviderDispute(disputeBody({ status: 'prevented', balance_transactions }))?.status).toBe(ours);
  });

  test('that was prevented and does not tell whether money went is refused', () => {
    expect(
      toProviderDispute(disputeBody({ status: 'prevented', balance_transactions: undefined })),
    ).toBeNull();
  });
});

describe.each([
  ['Refund', refundBody, toProviderRefund, ['payment_intent', 'charge', 'metadata', 'failure_reason']],
  ['Dispute', disputeBody, toProviderDispute, ['payment_intent', 'charge', 'reason', 'balance_transactions']],
])('what is no %s as we know it', (_kind, bodyOf, translate, optional) => {
  test.each(Object.keys(bodyOf()).filter((name) => !optional.includes(name)))(
    'is refused without %s',
    (field) => {
      const rest = Object.entries(bodyOf()).filter(([name]) => name !== field);
      expect(translate(Object.fromEntries(rest))).toBeNull();
    },
  );

  test.each(optional)('is read without %s all the same', (field) => {
    const rest = Object.entries(bodyOf()).filter(([name]) => name !== field);
    expect(translate(Object.fromEntries(rest))).not.toBeNull();
  });

  test.each([
    { status: 'on_a_journey' },
    { status: null },
    { amount: '1000' },
    { amount: 10.5 },
    { amount: -1 },
    { amount: 2 ** 53 },
    { currency: 'dollars' },
    { currency: null },
    { object: 'payment_intent' },
    { id: '' },
    { id: 're_1/../charges' },
    { payment_intent: 7 },
    { payment_intent: { object: 'payment_intent' } },
    { charge: 'ch_1\u0000' },
    { created: '1800000000' },
    { created: 0 },
    { created: LAST_MOMENT + 1 },
  ])('is refused with %j', (change) => {
    expect(translate(bodyOf(change))).toBeNull();
  });

  test('is read with fields that we have never heard of', () => {
    expect(translate(bodyOf({ hologram: { a: 1 } }))).not.toBeNull();
  });

  test('is refused whatever it is, and never thrown at', () => {
    fc.assert(
      fc.property(
        fc.anything(),
        (value) => translate(value) === null && toPage(value, (entry) => translate(entry)) === null,
      ),
    );
  });

  test('is refused whatever one of its fields is', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(bodyOf())), fc.jsonValue(), (name, value) => {
        const result = translate(bodyOf({ [name]: value }));
        return result === null || Number.isSafeInteger(result.amountMinor);
      }),
    );
  });
});
