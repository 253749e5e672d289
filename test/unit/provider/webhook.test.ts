import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { verifyWebhook } from '../../../provider/stripe/webhook.ts';
import { intentBody } from './stripe-stub.ts';

const NOW = 1_800_000_000;
const SECRET = 'whsec_today';
const OLD_SECRET = 'whsec_yesterday';

const event = {
  id: 'evt_1',
  object: 'event',
  type: 'payment_intent.succeeded',
  created: NOW - 5,
  livemode: false,
  data: { object: intentBody({ status: 'succeeded', amount_received: 2_500, amount_capturable: 0 }) },
};

function eventBody(change: Record<string, unknown> = {}): Buffer {
  return Buffer.from(JSON.stringify({ ...event, ...change }));
}

function v1(body: Buffer, { secret = SECRET, at = NOW } = {}): string {
  return createHmac('sha256', secret).update(`${at}.`).update(body).digest('hex');
}

function header(body: Buffer, { secret = SECRET, at = NOW } = {}): string {
  return `t=${at},v1=${v1(body, { secret, at })}`;
}

const body = eventBody();
const check = (signature: string, secrets: readonly string[] = [SECRET], raw = body) =>
  verifyWebhook(raw, signature, secrets, NOW);

describe('a well signed webhook', () => {
  test('is the event it says, with the payment as it was then', () => {
    expect(check(header(body))).toMatchObject({
      ok: true,
      event: {
        id: 'evt_1',
        type: 'payment_intent.succeeded',
        created: NOW - 5,
        livemode: false,
        objectId: 'pi_1',
        objectKind: 'payment_intent',
        paymentId: 'pi_1',
        donationId: 'd',
        snapshot: { id: 'pi_1', status: 'succeeded', amountReceivedMinor: 2_500 },
      },
    });
  });

  test.each([-300, -299, -1, 0, 1, 299, 300])('signed %i s from now is accepted', (seconds) => {
    expect(check(header(body, { at: NOW + seconds })).ok).toBe(true);
  });

  test.each([-86_400, -301, 301, 86_400])('signed %i s from now is refused', (seconds) => {
    expect(check(header(body, { at: NOW + seconds }))).toEqual({
      ok: false,
      reason: 'timestamp_outside_tolerance',
    });
  });

  test('is accepted by any active secret, so that secrets can rotate', () => {
    expect(check(header(body, { secret: OLD_SECRET }), [SECRET, OLD_SECRET]).ok).toBe(true);
    expect(check(header(body), [SECRET, OLD_SECRET]).ok).toBe(true);
    expect(check(header(body, { secret: OLD_SECRET }), [SECRET]).ok).toBe(false);
  });

  test('with two v1 signatures needs only one to match, in either place', () => {
    const other = v1(body, { secret: 'whsec_of_another_endpoint' });
    expect(check(`t=${NOW},v1=${other},v1=${v1(body)}`).ok).toBe(true);
    expect(check(`t=${NOW},v1=${v1(body)},v1=${other}`).ok).toBe(true);
    expect(check(`t=${NOW},v1=${other},v1=${other}`)).toEqual({ ok: false, reason: 'signature_mismatch' });
  });

  test('may carry signatures of other schemes', () => {
    expect(check(`t=${NOW},v0=${v1(body, { secret: 'x' })},v1=${v1(body)}`).ok).toBe(true);
  });

  test('about a charge names the payment', () => {
    const raw = eventBody({
      type: 'charge.refunded',
      data: {
        object: { id: 'ch_1', object: 'charge', payment_intent: 'pi_9', metadata: { donation_id: 'd' } },
      },
    });
    expect(verifyWebhook(raw, header(raw), [SECRET], NOW)).toMatchObject({
      ok: true,
      event: { objectId: 'ch_1', objectKind: 'charge', paymentId: 'pi_9', donationId: 'd', snapshot: null },
    });
  });

  test('about an expanded payment names it too', () => {
    const raw = eventBody({
      data: { object: { id: 're_1', object: 'refund', payment_intent: { id: 'pi_9' } } },
    });
    expect(verifyWebhook(raw, header(raw), [SECRET], NOW)).toMatchObject({
      ok: true,
      event: { paymentId: 'pi_9' },
    });
  });

  test('of a type that nobody knows, about a thing without an id, is still an event', () => {
    const raw = eventBody({ type: 'balance.available', data: { object: { object: 'balance' } } });
    expect(verifyWebhook(raw, header(raw), [SECRET], NOW)).toMatchObject({
      ok: true,
      event: { type: 'balance.available', objectId: '', paymentId: null, donationId: null, snapshot: null },
    });
  });

  test('with a payment of an unknown shape has no snapshot, and the payment can still be fetched', () => {
    const raw = eventBody({ data: { object: intentBody({ amount: { value: 2_500 } }) } });
    expect(verifyWebhook(raw, header(raw), [SECRET], NOW)).toMatchObject({
      ok: true,
      event: { paymentId: 'pi_1', donationId: 'd', snapshot: null },
    });
  });
});

/** What an event with this object says, having been signed like any other. */
function eventOf(object: unknown, change: Record<string, unknown> = {}) {
  const raw = eventBody({ ...change, data: { object } });
  const result = verifyWebhook(raw, header(raw), [SECRET], NOW);
  if (!result.ok) throw new Error(result.reason);
  return result.event;
}

describe('an event names its payment and its charge', () => {
  test.each([
    [{ object: 'payment_intent', id: 'pi_1', latest_charge: 'ch_1' }, 'pi_1', 'ch_1'],
    [{ object: 'payment_intent', id: 'pi_1', latest_charge: { id: 'ch_1' } }, 'pi_1', 'ch_1'],
    [{ object: 'payment_intent', id: 'pi_1', latest_charge: null }, 'pi_1', null],
    [{ object: 'charge', id: 'ch_1', payment_intent: 'pi_1' }, 'pi_1', 'ch_1'],
    [{ object: 'charge', id: 'ch_1', payment_intent: null }, null, 'ch_1'],
    [{ object: 'refund', id: 're_1', payment_intent: 'pi_1', charge: 'ch_1' }, 'pi_1', 'ch_1'],
    [{ object: 'refund', id: 're_1', charge: 'ch_1' }, null, 'ch_1'],
    [{ object: 'refund', id: 're_1' }, null, null],
    [{ object: 'dispute', id: 'du_1', payment_intent: 'pi_1', charge: 'ch_1' }, 'pi_1', 'ch_1'],
    [{ object: 'dispute', id: 'du_1', charge: { id: 'ch_1', payment_intent: 'pi_1' } }, 'pi_1', 'ch_1'],
    [
      { object: 'dispute', id: 'du_1', charge: { id: 'ch_1', payment_intent: { id: 'pi_1' } } },
      'pi_1',
      'ch_1',
    ],
    [{ object: 'dispute', id: 'du_1', payment: 'pi_1' }, null, null],
    [{ object: 'dispute', id: 'du_1', payment_intent: 7, charge: ['ch_1'] }, null, null],
    [{ object: 'dispute', id: 'du_1', payment_intent: 'pi 1', charge: 'ch_\u0000' }, null, null],
  ])('%j', (object, paymentId, chargeId) => {
    expect(eventOf(object)).toMatchObject({
      objectId: object.id,
      objectKind: object.object,
      paymentId,
      chargeId,
      snapshot: null,
    });
  });
});

describe('an event is accepted with what is there', () => {
  test('when its object has nothing but an id', () => {
    expect(eventOf({ id: 're_1' }, { type: 'refund.updated' })).toMatchObject({
      type: 'refund.updated',
      objectId: 're_1',
      objectKind: '',
      paymentId: null,
      chargeId: null,
      donationId: null,
    });
  });

  test('when its object is empty', () => {
    expect(eventOf({})).toMatchObject({ objectId: '', objectKind: '', paymentId: null });
  });

  test.each([[[]], [null], ['none'], [{ donation_id: 7 }], [{ donation: 'd' }]])(
    'when the metadata is %j',
    (metadata) => {
      const object = { object: 'charge', id: 'ch_1', payment_intent: 'pi_1', metadata };
      expect(eventOf(object)).toMatchObject({ paymentId: 'pi_1', donationId: null });
    },
  );

  test('when it has lost everything but its id, its type and its object', () => {
    const raw = Buffer.from(
      JSON.stringify({ id: 'evt_1', type: 'refund.created', data: { object: { id: 're_1' } } }),
    );
    expect(verifyWebhook(raw, header(raw), [SECRET], NOW)).toEqual({
      ok: true,
      event: {
        id: 'evt_1',
        type: 'refund.created',
        created: 0,
        livemode: false,
        objectId: 're_1',
        objectKind: '',
        paymentId: null,
        chargeId: null,
        donationId: null,
        snapshot: null,
      },
    });
  });

  test.each([
    [{ created: 'yesterday' }, { created: 0 }],
    [{ created: 1.5 }, { created: 0 }],
    [{ livemode: 'true' }, { livemode: false }],
    [{ livemode: true }, { livemode: true }],
  ])('when it says %j', (change, expected) => {
    expect(eventOf({ id: 're_1' }, change)).toMatchObject(expected);
  });
});

describe('a webhook is refused', () => {
  test('when one byte differs, wherever it is', () => {
    for (let position = 0; position < body.length; position += 1) {
      const altered = Buffer.from(body);
      altered[position] = (altered[position] ?? 0) ^ 1;
      expect(check(header(body), [SECRET], altered)).toEqual({ ok: false, reason: 'signature_mismatch' });
    }
  });

  test('when it was parsed and written again', () => {
    const spaced = Buffer.from(JSON.stringify(event, null, 2));
    expect(check(header(spaced), [SECRET], spaced).ok).toBe(true);
    expect(check(header(spaced), [SECRET], body).ok).toBe(false);
  });

  test('when a byte order mark was put before it', () => {
    const marked = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), body]);
    expect(check(header(body), [SECRET], marked)).toEqual({ ok: false, reason: 'signature_mismatch' });
  });

  test('when bytes are replaced that decode to the same text', () => {
    const signed = Buffer.concat([body.subarray(0, -2), Buffer.from('\uFFFD"}')]);
    const forged = Buffer.concat([body.subarray(0, -2), Buffer.from([0xff]), Buffer.from('"}')]);
    expect(check(header(signed), [SECRET], forged)).toEqual({ ok: false, reason: 'signature_mismatch' });
  });

  test('when the time in the header is not the one that was signed', () => {
    expect(check(`t=${NOW + 1},v1=${v1(body)}`)).toEqual({ ok: false, reason: 'signature_mismatch' });
  });

  test.each([
    ['', 'signature_missing'],
    ['nonsense', 'signature_malformed'],
    [`t=${NOW}`, 'signature_malformed'],
    [`t=${NOW},v1`, 'signature_malformed'],
    [`t=${NOW},v1=`, 'signature_malformed'],
    [`t=${NOW},v1=${'é'.repeat(64)}`, 'signature_malformed'],
    [`t=${NOW},v0=${v1(body)}`, 'signature_malformed'],
    [`v1=${v1(body)}`, 'signature_malformed'],
    [`t=,v1=${v1(body)}`, 'signature_malformed'],
    [`t=NaN,v1=${v1(body)}`, 'signature_malformed'],
    [`t=-1,v1=${v1(body)}`, 'signature_malformed'],
    [`t=${NOW}.0,v1=${v1(body)}`, 'signature_malformed'],
    [`t=${NOW - 9_999},t=${NOW},v1=${v1(body)}`, 'signature_malformed'],
    [`t=${NOW},${Array.from({ length: 17 }, () => `v1=${v1(body)}`).join()}`, 'signature_malformed'],
    [`t=${NOW},v1=${'0'.repeat(64)}`, 'signature_mismatch'],
  ])('with the header %j', (signature, reason) => {
    expect(check(signature)).toEqual({ ok: false, reason });
  });

  test('without a secret, or with a blank one', () => {
    expect(check(header(body), [])).toEqual({ ok: false, reason: 'signature_mismatch' });
    expect(check(header(body, { secret: ' ' }), [' '])).toEqual({ ok: false, reason: 'signature_mismatch' });
  });

  test.each([
    ['nothing', ''],
    ['no JSON', 'hello'],
    ['no event', '{"id":"evt_1"}'],
    ['an array', '[]'],
    ['without an object', JSON.stringify({ ...event, data: {} })],
    ['about an object that is none', JSON.stringify({ ...event, data: { object: 're_1' } })],
    ['without a type', JSON.stringify({ ...event, type: undefined })],
    ['null', 'null'],
    ['an id that would break a row', JSON.stringify({ ...event, id: 'evt_\u0000' })],
    ['a thin event of the second API', JSON.stringify({ ...event, object: 'v2.core.event' })],
  ])('when it is %s, although it is well signed', (_name, text) => {
    const raw = Buffer.from(text);
    expect(check(header(raw), [SECRET], raw)).toEqual({ ok: false, reason: 'body_not_an_event' });
  });
});
