import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lookUp } from '../../../cli/find/look-up.ts';
import { readRows } from '../../../cli/watch/rows.ts';
import { donationWorkflowId } from '../../../domain/ids.ts';
import type { PaymentOrder } from '../../../workflows/ports.ts';
import {
  aftercare,
  askForRefund,
  authorize,
  believe,
  capture,
  complete,
  found,
  isolatedPlatform,
  providerIdOf,
  publishAll,
  runAudit,
} from './platform.ts';

const platform = isolatedPlatform();

const payments = async (text: string, values: readonly unknown[] = []): Promise<void> => {
  await platform.pools.payments.query(text, [...values]);
};

async function refunded(amountMinor?: number): Promise<PaymentOrder & { readonly refundId: string }> {
  const order = await capture(platform);
  const refundId = await askForRefund(platform, order.donationId, amountMinor);
  await aftercare(platform, order);
  return { ...order, refundId };
}

async function providerRefundOf({ refundId }: { readonly refundId: string }): Promise<string> {
  const { rows } = await platform.pools.payments.query<{ id: string }>(
    'SELECT provider_refund_id AS id FROM refunds WHERE id = $1',
    [refundId],
  );
  return rows[0]?.id ?? '';
}

async function disputed(): Promise<PaymentOrder & { readonly disputeId: string }> {
  const order = await capture(platform);
  const disputeId = await platform.acts.disputePayment(await providerIdOf(platform, order.donationId));
  await aftercare(platform, order, { look: true });
  return { ...order, disputeId };
}

/** Captured at the provider after it had ended here. */
async function capturedLate(): Promise<PaymentOrder> {
  const order = await authorize(platform);
  const { donationId } = order;
  await believe(platform, donationId, { type: 'released', code: 'abandoned' });
  const { status, version, failureCode, entries } = await platform.activities.currentPayment(order);
  await platform.activities.addToTotals(entries);
  await platform.activities.recordOutcome({ donationId, status, version, failureCode });
  await platform.provider.capturePayment(await providerIdOf(platform, donationId), `${donationId}:capture:1`);
  await platform.activities.look(donationId);
  await complete(platform, donationId, 'FAILED', version);
  return order;
}

async function receiptFor({ donationId }: PaymentOrder): Promise<void> {
  await platform.pools.notifications.query(
    `INSERT INTO receipts (donation_id, campaign_id, amount, currency) VALUES ($1, $2, 2500, 'USD') ON CONFLICT DO NOTHING`,
    [donationId, platform.campaignId],
  );
}

describe('an audit of a system whose money goes back', () => {
  beforeAll(async () => {
    await refunded(1_000);
    await refunded();

    const bounced = await refunded(1_000);
    await platform.acts.failRefund(await providerRefundOf(bounced));
    await aftercare(platform, bounced, { look: true });

    const byHand = await capture(platform);
    await platform.acts.refundByHand(await providerIdOf(platform, byHand.donationId), { amountMinor: 700 });
    await aftercare(platform, byHand, { look: true });

    await disputed();
    for (const outcome of ['won', 'lost'] as const) {
      const { disputeId, ...order } = await disputed();
      await platform.acts.closeDispute(disputeId, outcome);
      await aftercare(platform, order, { look: true });
    }

    const inquired = await capture(platform);
    await platform.acts.disputePayment(await providerIdOf(platform, inquired.donationId), { inquiry: true });

    const corrected = await capture(platform);
    await platform.acts.changeFee(await providerIdOf(platform, corrected.donationId), 90);
    await aftercare(platform, corrected, { look: true });

    const kept = await capturedLate();
    await aftercare(platform, kept);
    await receiptFor(kept);

    const twice = await capture(platform);
    const second = await platform.acts.payAgain(await providerIdOf(platform, twice.donationId));
    await platform.acts.refundByHand(second);
    await publishAll(platform);
  });

  it('finds nothing, and says over how much', async () => {
    const report = await runAudit(platform);
    expect(report.findings).toEqual([]);
    expect(report.totals).toMatchObject({
      donations: 11,
      captured: 11,
      providerRefunds: 5,
      providerDisputes: 4,
      money: [{ currency: 'USD', capturedMinor: 27_500, refundedMinor: 4_200, lostMinor: 2_500 }],
    });
  });

  it('sees the same, whatever the size of its pages', async () => {
    for (const pageSize of [1, 3]) expect((await runAudit(platform, { pageSize })).findings).toEqual([]);
  });

  it('gives news of the provider that is on its way the time to arrive', async () => {
    const order = await capture(platform);
    const paymentId = await providerIdOf(platform, order.donationId);
    await publishAll(platform);
    await platform.acts.disputePayment(paymentId);
    expect((await runAudit(platform, { settleMs: 60_000 })).findings).toEqual([]);
    expect(found(await runAudit(platform))).toEqual([`dispute-unknown ${order.donationId}`]);
    await aftercare(platform, order, { look: true });
    await publishAll(platform);
    expect((await runAudit(platform)).findings).toEqual([]);
  });
});

describe('an audit of a system that lost track of money', () => {
  /** What one question to the provider mends: its truth is booked whole. */
  const mended: PaymentOrder[] = [];

  const spoilt: Record<string, () => Promise<readonly string[]>> = {
    'a refund made by hand that nobody told us of': async () => {
      const order = await capture(platform);
      await platform.acts.refundByHand(await providerIdOf(platform, order.donationId), { amountMinor: 100 });
      mended.push(order);
      return [`refund-unknown ${order.donationId}`];
    },
    'a refund that the provider never made': async () => {
      const order = await capture(platform);
      const refundId = await askForRefund(platform, order.donationId, 100);
      await payments(`UPDATE refunds SET provider_refund_id = 're_none' WHERE id = $1`, [refundId]);
      await believe(platform, order.donationId, {
        type: 'refund',
        refundId,
        amountMinor: 100,
        status: 'succeeded',
      });
      await aftercare(platform, order);
      return [`refund-unproven ${order.donationId}`];
    },
    'a refund that failed at the donor’s bank': async () => {
      const { refundId, ...order } = await refunded(1_000);
      await platform.acts.failRefund(await providerRefundOf({ refundId }));
      mended.push(order);
      return [`refund-differs ${order.donationId}`];
    },
    'a refund made twice': async () => {
      const { refundId, donationId } = await refunded(1_000);
      const paymentId = await providerIdOf(platform, donationId);
      const order = { donationId, refundId, paymentId, amountMinor: 1_000, currency: 'USD' };
      const made = await platform.provider.createRefund(order, `${donationId}:refund:9`);
      expect(made.kind).toBe('yes');
      return [`refunded-twice ${donationId}`];
    },
    'more given back than was taken': async () => {
      const { donationId } = await refunded(1_000);
      await platform.acts.changeAmount(await providerIdOf(platform, donationId), {
        amountMinor: 2_500,
        amountReceivedMinor: 900,
      });
      return [`amount-differs ${donationId}`, `over-refunded ${donationId}`];
    },
    'a dispute that nobody told us of': async () => {
      const order = await capture(platform);
      await platform.acts.disputePayment(await providerIdOf(platform, order.donationId));
      mended.push(order);
      return [`dispute-unknown ${order.donationId}`];
    },
    'a dispute that was lost meanwhile': async () => {
      const { disputeId, ...order } = await disputed();
      await platform.acts.closeDispute(disputeId, 'lost');
      mended.push(order);
      return [`dispute-differs ${order.donationId}`];
    },
    'a dispute that no bank has opened': async () => {
      const order = await capture(platform);
      const { donationId } = order;
      const disputeId = randomUUID();
      await believe(platform, donationId, {
        type: 'dispute',
        disputeId,
        amountMinor: 2_500,
        status: 'opened',
      });
      await payments(
        `INSERT INTO disputes (id, payment_id, provider_dispute_id, amount, status) VALUES ($1, $2, $3, 2500, 'opened')`,
        [disputeId, donationId, `du_${disputeId}`],
      );
      await aftercare(platform, order);
      return [`dispute-unproven ${donationId}`];
    },
    'a dispute that is noted and was never applied': async () => {
      const { donationId } = await capture(platform);
      const disputeId = await platform.acts.disputePayment(await providerIdOf(platform, donationId));
      await payments(
        `INSERT INTO disputes (id, payment_id, provider_dispute_id, amount, status) VALUES (gen_random_uuid(), $1, $2, 2500, 'opened')`,
        [donationId, disputeId],
      );
      return [`reversals-differ ${donationId}`];
    },
    'a fee that the provider has corrected': async () => {
      const order = await capture(platform);
      await platform.acts.changeFee(await providerIdOf(platform, order.donationId), 200);
      mended.push(order);
      return [`fee-differs ${order.donationId}`];
    },
    'a fee booked twice, and a posting of nothing': async () => {
      const [fee, nothing] = [await capture(platform), await capture(platform)];
      for (const [id, posting, account] of [
        [fee.donationId, 'fee:2', 'provider_fees'],
        [nothing.donationId, '3:refunded', 'campaign_payable'],
      ] as const)
        await payments(
          `INSERT INTO ledger_entries (posting_id, payment_id, account, amount, currency)
           VALUES ($1, $2, $3, 103, 'USD'), ($1, $2, 'provider_balance', -103, 'USD')`,
          [`${id}:${posting}`, id, account],
        );
      return [`balance-differs ${fee.donationId}`, `ledger-differs ${nothing.donationId}`];
    },
    'a refund that the totals do not count': async () => {
      const order = await capture(platform);
      await askForRefund(platform, order.donationId, 1_000);
      await aftercare(platform, order, { counted: false });
      return [`entry-missing ${order.donationId}`];
    },
    'a refund that was announced and never asked for': async () => {
      const { donationId } = await capture(platform);
      await payments(
        `INSERT INTO outbox_events (id, aggregate_id, version, type, payload) VALUES (gen_random_uuid(), $1, 9, 'refund.requested.v1', '{}')`,
        [donationId],
      );
      return [`event-unexplained ${donationId}`];
    },
    'people who were not told, were told something else, or were told of nothing': async () => {
      const [untold, wrong, invented] = [
        await refunded(1_000),
        await refunded(1_000),
        await capture(platform),
      ];
      await publishAll(platform);
      const { notifications } = platform.pools;
      await notifications.query('DELETE FROM notices WHERE donation_id = $1', [untold.donationId]);
      await notifications.query('UPDATE notices SET amount = 1 WHERE donation_id = $1', [wrong.donationId]);
      const message = randomUUID();
      await notifications.query(
        `INSERT INTO inbox_messages (message_id, type) VALUES ($1, 'dispute.won.v1')`,
        [message],
      );
      await notifications.query(
        `INSERT INTO notices (message_id, donation_id, campaign_id, audience, kind, amount, currency)
         VALUES ($1, $2, $3, 'organizer', 'dispute.won', 100, 'USD')`,
        [message, invented.donationId, platform.campaignId],
      );
      return [
        `notice-missing ${untold.donationId}`,
        `notice-differs ${wrong.donationId}`,
        `notice-unearned ${invented.donationId}`,
      ];
    },
    'refunds that were promised: one that nobody makes, one that aftercare was not told of': async () => {
      const [unmade, untold] = [await capture(platform), await capture(platform)];
      await askForRefund(platform, unmade.donationId, 1_000);
      await askForRefund(platform, untold.donationId, 1_000, false);
      return [`refund-stuck ${unmade.donationId}`, `command-undelivered ${untold.donationId}`];
    },
    'a cancel that the workflow was not told of': async () => {
      const { donationId } = await capture(platform);
      await platform.pools.donations.query(
        `INSERT INTO workflow_commands (id, donation_id, type) VALUES (gen_random_uuid(), $1, 'cancel')`,
        [donationId],
      );
      return [`command-undelivered ${donationId}`];
    },
    'late money that nobody decides about': async () => {
      const order = await capturedLate();
      const { donationId } = order;
      const { status, version, failureCode, entries } = await platform.activities.currentPayment(order);
      await platform.activities.addToTotals(entries);
      await platform.activities.recordOutcome({ donationId, status, version, failureCode });
      await receiptFor(order);
      return [`late-money-undecided ${donationId}`];
    },
    'a captured payment that is said to wait for its donor': async () => {
      const { donationId } = await capture(platform);
      await payments(`UPDATE payments SET waiting_for = 'action' WHERE id = $1`, [donationId]);
      return [`waiting-for-nobody ${donationId}`];
    },
    'money in suspense: rightly, of a payment that is ours, and of one that nobody made': async () => {
      const strange = await platform.acts.payByHand({ amountMinor: 900, currency: 'usd' });
      const ours = await providerIdOf(platform, (await capture(platform)).donationId);
      for (const paymentId of [strange, ours, 'pi_none'])
        await payments(
          `INSERT INTO ledger_entries (posting_id, provider_payment_id, account, amount, currency)
           VALUES ($1, $2, 'provider_balance', 900, 'USD'), ($1, $2, 'suspense', -900, 'USD')`,
          [`suspense:${paymentId}`, paymentId],
        );
      return [`charge-unattributed ${strange}`, `suspense-unfounded ${ours}`, 'suspense-unfounded pi_none'];
    },
  };

  it('finds each discrepancy, and nothing else; one question to the provider mends what it knows better', async () => {
    const expected: string[] = [];
    for (const spoil of Object.values(spoilt)) expected.push(...(await spoil()));
    await publishAll(platform);
    const report = await runAudit(platform, { pageSize: 7 });
    expect(found(report)).toEqual(expected.toSorted());
    // Alone it tells as much as among all: the second look asks for single payments.
    const one = mended[0]?.donationId ?? '';
    expect(found(await runAudit(platform, { since: new Date(Date.now() - 3_600_000) }))).toContain(
      `refund-unknown ${one}`,
    );

    for (const order of mended) await aftercare(platform, order, { look: true });
    await publishAll(platform);
    const ids = new Set(mended.map(({ donationId }) => donationId));
    const left = (await runAudit(platform)).findings.filter(({ subject }) => ids.has(subject.id));
    expect(left).toEqual([]);
  });
});

describe('one donation whose money went back', () => {
  let order: PaymentOrder & { readonly refundId: string };
  let snapshot: Awaited<ReturnType<typeof platform.databases.snapshot>>;

  beforeAll(async () => {
    order = await refunded(1_000);
    await platform.acts.disputePayment(await providerIdOf(platform, order.donationId));
    await aftercare(platform, order, { look: true });
    await publishAll(platform);
    snapshot = await platform.databases.snapshot();
  });
  afterAll(() => snapshot.close());

  it('is found by its refund, ours and the provider’s, by its dispute and by its charge', async () => {
    const { rows } = await platform.pools.payments.query<{ charge: string; dispute: string; ours: string }>(
      `SELECT provider_charge_id AS charge, provider_dispute_id AS dispute, d.id AS ours
       FROM payments p JOIN disputes d ON d.payment_id = p.id WHERE p.id = $1`,
      [order.donationId],
    );
    const { charge = '', dispute = '', ours = '' } = rows[0] ?? {};
    const names = {
      [await providerRefundOf(order)]: 'provider refund id',
      [order.refundId]: 'refund id',
      [dispute]: 'provider dispute id',
      [ours]: 'dispute id',
      [charge]: 'provider charge id',
    };
    for (const [text, by] of Object.entries(names)) {
      const { matches } = await lookUp(snapshot, text);
      expect(
        matches.filter(({ id }) => id !== text),
        text,
      ).toEqual([{ id: order.donationId, by }]);
    }
  });

  it('tells its story: promised, made, disputed, with fee, notices and what the workflow was told', async () => {
    const { happenings } = await readRows(snapshot, order.donationId);
    const told = happenings.map(({ source, what }) => `${source}: ${what}`).join('\n');
    for (const part of [
      /^payment: refund \S+ of 1000 asked for by operator, the provider’s re_\w+$/m,
      /^provider: refund 1 asked, key \S+:refund:1, for refund \S+$/m,
      /^payment: CAPTURED → CAPTURED v3, refund of 1000 pending, by request:operator$/m,
      /^payment: CAPTURED → PARTIALLY_REFUNDED v4, refund of 1000 succeeded, by operation:refund:1$/m,
      /^payment: PARTIALLY_REFUNDED → PARTIALLY_REFUNDED v5, dispute of 1500 opened, by look$/m,
      /^ledger: provider_fees \+103 USD$/m,
      /^payment: dispute of 1500 noted, the provider’s du_\w+$/m,
      /^command: refund delivered$/m,
      /^notice: refund.succeeded 1000 USD told to donor$/m,
      /^notice: dispute.opened 1500 USD told to donor$/m,
      /^totals: refunded 1000 counted$/m,
    ])
      expect(told).toMatch(part);
    expect(platform.runs.has(donationWorkflowId(order.donationId))).toBe(true);
  });
});
