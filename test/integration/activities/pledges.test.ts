import { createHash, randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDonationActivities } from '../../../activities/donations/index.ts';
import type { Scope } from '../../../api/donations/identity.ts';
import { createRequestStore } from '../../../api/donations/requests.ts';
import type { PaymentStatus } from '../../../domain/payment.ts';
import type { Failpoint } from '../../../platform/failpoint.ts';
import { createPool } from '../../../platform/postgres.ts';
import type { DonationActivities } from '../../../workflows/ports.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { dieAt } from './payment-bench.ts';

type Gift = {
  readonly campaignId?: string;
  readonly paymentMethod?: string;
  readonly amount?: number;
  readonly scope?: Scope;
};

describe('the pledge of a donation', () => {
  const { urls } = isolatedDatabases(['donations']);
  let pool: Pool;
  beforeAll(() => {
    pool = createPool({ url: urls.donations, max: 12, name: 'test-donations' });
  });
  afterAll(() => pool.end());

  const worker = (failpoint: Failpoint = () => undefined): DonationActivities =>
    createDonationActivities({ pool, failpoint, outboxWritten: () => undefined });

  const accepted = async (
    body: object = {},
    { campaignId = randomUUID(), paymentMethod = 'pm_card_visa', amount = 2_500, scope = 'guest' }: Gift = {},
  ): Promise<string> => {
    const id = randomUUID();
    await pool.query(
      `INSERT INTO donation_requests (id, scope, idempotency_key, fingerprint, campaign_id, amount, currency, payment_method, body)
       VALUES ($1, $8, $2, $3, $4, $6, 'USD', $7, $5)`,
      [
        id,
        `key-of-${id}`,
        createHash('sha256').update(id).digest(),
        campaignId,
        JSON.stringify(body),
        amount,
        paymentMethod,
        scope,
      ],
    );
    return id;
  };

  const pledge = async (id: string) => {
    const { rows } = await pool.query<{ status: string; version: number; failure_code: string | null }>(
      'SELECT status, version, failure_code FROM pledges WHERE id = $1',
      [id],
    );
    return rows;
  };
  const outbox = async (id: string): Promise<string[]> => {
    const { rows } = await pool.query<{ text: string }>(
      `SELECT concat(version, ' ', type) AS text FROM outbox_events WHERE aggregate_id = $1 ORDER BY version, type`,
      [id],
    );
    return rows.map((row) => row.text);
  };
  const outcome = (
    donationId: string,
    status: PaymentStatus,
    version: number,
    failureCode: string | null = null,
  ) => worker().recordOutcome({ donationId, status, version, failureCode });

  test('is persisted once, with one outbox row, when it is asked for twice and then ten times at once', async () => {
    const id = await accepted();
    await worker().persistPledge(id);
    await worker().persistPledge(id);
    await Promise.all(Array.from({ length: 10 }, () => worker().persistPledge(id)));
    expect(await pledge(id)).toEqual([{ status: 'INITIATED', version: 0, failure_code: null }]);
    expect(await outbox(id)).toEqual(['0 donation.pledged.v1']);
  });

  test('is persisted once when ten workers are the first at once', async () => {
    const id = await accepted();
    await Promise.all(Array.from({ length: 10 }, () => worker().persistPledge(id)));
    expect(await pledge(id)).toHaveLength(1);
    expect(await outbox(id)).toEqual(['0 donation.pledged.v1']);
  });

  test.each([
    ['pledge.before-commit', 0],
    ['pledge.committed', 1],
  ] as const)(
    'whose worker dies at %s is there %i times with as many outbox rows, and again once',
    async (place, times) => {
      const id = await accepted();
      await expect(worker(dieAt(place)).persistPledge(id)).rejects.toThrow('died');
      expect(await pledge(id)).toHaveLength(times);
      expect(await outbox(id)).toHaveLength(times);
      await worker().persistPledge(id);
      expect(await pledge(id)).toHaveLength(1);
      expect(await outbox(id)).toEqual(['0 donation.pledged.v1']);
    },
  );

  test('keeps what the donor said, and an anonymous donor anonymous', async () => {
    const id = await accepted({
      donor: { name: 'Zoë', email: 'zoe@example.org', anonymous: true },
      message: 'for the wells',
    });
    const silent = await accepted();
    await worker().persistPledge(id);
    await worker().persistPledge(silent);
    const { rows } = await pool.query(
      'SELECT donor_name, donor_email, anonymous, message FROM pledges WHERE id = ANY($1::uuid[]) ORDER BY anonymous DESC',
      [[id, silent]],
    );
    expect(rows).toEqual([
      { donor_name: 'Zoë', donor_email: 'zoe@example.org', anonymous: true, message: 'for the wells' },
      { donor_name: null, donor_email: null, anonymous: false, message: null },
    ]);
    // What others may read of it says nothing of the donor.
    const events = await pool.query<{ payload: object }>(
      'SELECT payload FROM outbox_events WHERE aggregate_id = $1',
      [id],
    );
    expect(JSON.stringify(events.rows)).not.toMatch(/Zo|wells/);
  });

  test('whose capture and cancel race: exactly one of them wins, forty times', async () => {
    const cancel = async (id: string): Promise<boolean> => {
      const { rowCount } = await pool.query(
        'UPDATE donation_requests SET cancel_requested_at = now() WHERE id = $1 AND capture_started_at IS NULL',
        [id],
      );
      return rowCount === 1;
    };
    for (let race = 0; race < 40; race += 1) {
      const id = await accepted();
      await worker().persistPledge(id);
      const claim = (): Promise<boolean> => worker().claimCapture({ donationId: id, authorizedVersion: 1 });
      const [claimed, cancelled] =
        race % 2 === 0
          ? await Promise.all([claim(), cancel(id)])
          : await Promise.all([cancel(id), claim()]).then(([second, first]) => [first, second] as const);
      expect(claimed).toBe(!cancelled);
      // Whoever asks again hears the same.
      expect(await claim()).toBe(claimed);
      expect((await pledge(id))[0]).toMatchObject(
        claimed ? { status: 'AUTHORIZED', version: 1 } : { status: 'INITIATED', version: 0 },
      );
    }
  });

  test('whose capture is claimed ten times at once is claimed for all of them', async () => {
    const id = await accepted();
    await worker().persistPledge(id);
    const claims = await Promise.all(
      Array.from({ length: 10 }, () => worker().claimCapture({ donationId: id, authorizedVersion: 1 })),
    );
    expect(claims).toEqual(claims.map(() => true));
  });

  test('follows its payment, and an older or repeated version changes nothing', async () => {
    const id = await accepted();
    await worker().persistPledge(id);
    await outcome(id, 'CAPTURED', 2);
    await outcome(id, 'FAILED', 1, 'card_declined');
    await outcome(id, 'CAPTURED', 2);
    await outcome(id, 'FAILED', 2, 'card_declined');
    await Promise.all(Array.from({ length: 10 }, () => outcome(id, 'CAPTURED', 2)));
    expect(await pledge(id)).toEqual([{ status: 'CAPTURED', version: 2, failure_code: null }]);
    expect(await outbox(id)).toEqual(['0 donation.pledged.v1', '2 donation.captured.v1']);
  });

  test('that FAILED is CAPTURED when the provider proves it later', async () => {
    const id = await accepted();
    await worker().persistPledge(id);
    await outcome(id, 'FAILED', 1, 'card_declined');
    expect(await pledge(id)).toEqual([{ status: 'FAILED', version: 1, failure_code: 'card_declined' }]);
    await outcome(id, 'CAPTURED', 2);
    expect(await pledge(id)).toEqual([{ status: 'CAPTURED', version: 2, failure_code: null }]);
    expect(await outbox(id)).toEqual([
      '0 donation.pledged.v1',
      '1 donation.failed.v1',
      '2 donation.captured.v1',
    ]);
  });

  test('whose worker dies after the outcome was committed has one event when it is recorded again', async () => {
    const id = await accepted();
    await worker().persistPledge(id);
    const dying = worker(dieAt('outcome.committed'));
    const captured = { donationId: id, status: 'CAPTURED', version: 2, failureCode: null } as const;
    await expect(dying.recordOutcome(captured)).rejects.toThrow('died');
    await worker().recordOutcome(captured);
    expect(await outbox(id)).toEqual(['0 donation.pledged.v1', '2 donation.captured.v1']);
  });

  test('carries the account that gave; a guest’s carries none, whatever the e-mail', async () => {
    const account = randomUUID();
    const email = { donor: { email: 'ada@example.org' } };
    const [theirs, guests] = [await accepted(email, { scope: `user:${account}` }), await accepted(email)];
    for (const id of [theirs, guests]) await worker().persistPledge(id);
    const { rows } = await pool.query(
      'SELECT id, donor_id, donor_email FROM pledges WHERE id = ANY($1::uuid[]) ORDER BY donor_id',
      [[theirs, guests]],
    );
    expect(rows).toEqual([
      { id: theirs, donor_id: account, donor_email: 'ada@example.org' },
      { id: guests, donor_id: null, donor_email: 'ada@example.org' },
    ]);
    // No consumer is told whose it is.
    const events = await pool.query<{ payload: object }>(
      'SELECT payload FROM outbox_events WHERE aggregate_id = $1',
      [theirs],
    );
    expect(events.rows).toHaveLength(1);
    expect(JSON.stringify(events.rows)).not.toContain(account);
  });

  describe('of a donor who may have clicked twice', () => {
    const requests = () =>
      createRequestStore(pool, () => undefined, { stored: () => undefined, commanded: () => undefined });
    const duplicateOf = async (id: string): Promise<string | null | undefined> =>
      (await requests().find(id))?.possibleDuplicateOf;
    const email = (address: string): object => ({ donor: { email: address } });

    const twice = async (
      first: readonly [object, Gift?],
      second: readonly [object, Gift?],
    ): Promise<{ earlier: string; later: string }> => {
      const campaignId = randomUUID();
      const earlier = await accepted(first[0], { campaignId, ...first[1] });
      await worker().persistPledge(earlier);
      const later = await accepted(second[0], { campaignId, ...second[1] });
      await worker().persistPledge(later);
      return { earlier, later };
    };

    test('is flagged with the earlier one, however the e-mail is spelt, and the earlier one is not', async () => {
      const { earlier, later } = await twice([email('Ada@example.org')], [email('ada@example.org')]);
      expect(await duplicateOf(later)).toBe(earlier);
      expect(await duplicateOf(earlier)).toBeNull();
    });

    test('is flagged without an e-mail when the payment method is the same', async () => {
      const card = { paymentMethod: 'pm_1NxAda' };
      const { earlier, later } = await twice([{}, card], [{}, card]);
      expect(await duplicateOf(later)).toBe(earlier);
    });

    test('is flagged for an account, with two test cards and two e-mails', async () => {
      const scope = `user:${randomUUID()}` as const;
      const { earlier, later } = await twice(
        [email('ada@example.org'), { scope }],
        [{}, { scope, paymentMethod: 'pm_card_mastercard' }],
      );
      expect(await duplicateOf(later)).toBe(earlier);
      expect(await duplicateOf(earlier)).toBeNull();
    });

    test.each<[name: string, first: Gift, second: Gift]>([
      ['two accounts', { scope: `user:${randomUUID()}` }, { scope: `user:${randomUUID()}` }],
      ['a guest and an account', {}, { scope: `user:${randomUUID()}` }],
      ['an account and a guest', { scope: `user:${randomUUID()}` }, {}],
    ])('is not flagged: a pair of %s with one e-mail and one card', async (_name, first, second) => {
      const card = { paymentMethod: 'pm_1NxAda' };
      const { later } = await twice(
        [email('ada@example.org'), { ...card, ...first }],
        [email('ada@example.org'), { ...card, ...second }],
      );
      expect(await duplicateOf(later)).toBeNull();
    });

    test.each([
      ['of two donors', email('ada@example.org'), email('bob@example.org'), {}],
      ['of two amounts', email('ada@example.org'), email('ada@example.org'), { amount: 2_600 }],
      ['of two campaigns', email('ada@example.org'), email('ada@example.org'), { campaignId: randomUUID() }],
      ['of two guests with one test card', {}, {}, {}],
    ])('is not flagged: a pair %s', async (_name, first, second, change) => {
      const { later } = await twice([first], [second, change]);
      expect(await duplicateOf(later)).toBeNull();
    });

    test('is not flagged once the earlier one was declined: that is a second try', async () => {
      const { earlier, later } = await twice([email('ada@example.org')], [email('ada@example.org')]);
      await outcome(earlier, 'FAILED', 1, 'card_declined');
      expect(await duplicateOf(later)).toBeNull();
    });
  });
});
