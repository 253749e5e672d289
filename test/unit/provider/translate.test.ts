import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toPage } from '../../../provider/stripe/shapes.ts';
import { toProviderPayment } from '../../../provider/stripe/translate.ts';
import { intentBody } from './stripe-stub.ts';

describe('a PaymentIntent becomes a payment', () => {
  test('with the currency in upper case and the time as a date', () => {
    expect(toProviderPayment(intentBody())).toEqual({
      id: 'pi_1',
      status: 'requires_capture',
      amountMinor: 2_500,
      currency: 'USD',
      amountCapturableMinor: 2_500,
      amountReceivedMinor: 0,
      donationId: 'd',
      campaignId: 'c',
      lastErrorCode: null,
      cancellationReason: null,
      chargeId: null,
      fee: null,
      livemode: false,
      createdAt: new Date('2027-01-15T08:00:00Z'),
    });
  });

  test('of nobody when its metadata names no donation', () => {
    expect(toProviderPayment(intentBody({ metadata: {} }))).toMatchObject({
      donationId: null,
      campaignId: null,
    });
  });

  test.each([
    [{ code: 'card_declined', decline_code: 'lost_card' }, 'lost_card'],
    [{ code: 'expired_card' }, 'expired_card'],
    [{ code: 'expired_card', decline_code: null }, 'expired_card'],
    [{ type: 'api_error' }, null],
  ])('with the error %j told as %s', (last_payment_error, lastErrorCode) => {
    expect(toProviderPayment(intentBody({ last_payment_error }))).toMatchObject({ lastErrorCode });
  });

  test.each([
    ['ch_1', null],
    [{ id: 'ch_1', object: 'charge', balance_transaction: 'txn_1' }, null],
    [{ id: 'ch_1', object: 'charge', balance_transaction: null }, null],
    [{ id: 'ch_1', object: 'charge' }, null],
    [
      { id: 'ch_1', balance_transaction: { fee: 103, currency: 'eur' } },
      { amountMinor: 103, currency: 'EUR' },
    ],
  ])('with the charge %j, expanded as far as the server likes', (latest_charge, fee) => {
    expect(toProviderPayment(intentBody({ latest_charge }))).toMatchObject({ chargeId: 'ch_1', fee });
  });

  test.each([{ latest_charge: null }, { latest_charge: undefined }])(
    'that has no charge yet: %j',
    (change) => {
      expect(toProviderPayment(intentBody(change))).toMatchObject({ chargeId: null, fee: null });
    },
  );

  test('with fields that we have never heard of', () => {
    expect(toProviderPayment(intentBody({ hologram: { a: 1 } }))).not.toBeNull();
  });
});

describe('what is no PaymentIntent as we know it is refused', () => {
  test.each(Object.keys(intentBody()))('without %s', (field) => {
    const rest = Object.entries(intentBody()).filter(([name]) => name !== field);
    expect(toProviderPayment(Object.fromEntries(rest))).toBeNull();
  });

  test.each([
    { status: 'on_a_journey' },
    { status: null },
    { amount: '2500' },
    { amount: 25.5 },
    { amount: -1 },
    { amount: 2 ** 53 },
    { amount_received: null },
    { currency: 'dollars' },
    { object: 'charge' },
    { id: 'ch_1' },
    { id: 'pi_1/../charges' },
    { metadata: { donation_id: 7 } },
    { metadata: null },
    { livemode: 'false' },
    { created: '1800000000' },
    { latest_charge: 7 },
    { latest_charge: { object: 'charge' } },
    { latest_charge: 'ch_1/../refunds' },
    { latest_charge: { id: 'ch_1', balance_transaction: { fee: 1.5, currency: 'usd' } } },
    { latest_charge: { id: 'ch_1', balance_transaction: { fee: -1, currency: 'usd' } } },
    { latest_charge: { id: 'ch_1', balance_transaction: { fee: 103 } } },
  ])('with %j', (change) => {
    expect(toProviderPayment(intentBody(change))).toBeNull();
  });

  test('whatever it is', () => {
    fc.assert(
      fc.property(
        fc.anything(),
        (value) => toProviderPayment(value) === null && toPage(value, toProviderPayment) === null,
      ),
    );
  });
});

describe('a page', () => {
  test('holds its payments in order', () => {
    const page = toPage(
      { object: 'list', data: [intentBody({ id: 'pi_2' }), intentBody()], has_more: true },
      toProviderPayment,
    );
    expect(page?.items.map((payment) => payment.id)).toEqual(['pi_2', 'pi_1']);
    expect(page?.hasMore).toBe(true);
  });

  test('with one unreadable entry is refused as a whole', () => {
    expect(
      toPage({ data: [intentBody(), intentBody({ amount: null })], has_more: false }, toProviderPayment),
    ).toBeNull();
  });
});
