/** What donors, operators, banks and the relays do to a donation while its history is being recorded. */
import { createHash, randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { expect } from 'vitest';
import { deliverDonationCommand } from '../../api/donations/deliver-commands.ts';
import { findPaymentOrder, signalAftercare, type News } from '../../api/payments/aftercare.ts';
import { createRefundStore } from '../../api/payments/refunds.ts';
import { SECRET_KEY } from '../contract/start-simulator.ts';
import { eventually } from '../harness/eventually.ts';
import { storeEvents, type ListedEvent } from '../integration/activities/stored-events.ts';
import type { Donation, DonationStage } from '../workflow/donation-stage.ts';
import { effectsOf, paymentOf, pledgeOf, triesOf } from '../workflow/settled.ts';

export const FOR_EVER = 1_000_000;
export const DECLINED = 'pm_card_chargeDeclined';
const DONOR_HAS_TO_ACT = 'pm_card_authenticationRequired';

/** A donation that is CAPTURED, with nothing left to tell of it. */
export async function captured(stage: DonationStage, change: Partial<Donation> = {}): Promise<Donation> {
  const donation = await stage.give(change);
  expect(await donation.handle.result()).toMatchObject({ status: 'CAPTURED' });
  return donation;
}

/** A donation that waits for its donor at the bank's page. */
export async function waiting(
  stage: DonationStage,
  change: Partial<Donation> = {},
): Promise<Donation & { readonly handle: WorkflowHandle; readonly paymentId: string }> {
  const donation = await stage.give({ paymentMethod: DONOR_HAS_TO_ACT, ...change });
  await eventually('the donor has to act', async () =>
    expect(await effectsOf(stage, donation)).toContain('action_required'),
  );
  return { ...donation, paymentId: await paymentIdOf(stage, donation) };
}

/** A donation whose pledge is there and cannot be counted yet: its campaign is not. */
export async function pledged(stage: DonationStage): Promise<Donation & { readonly handle: WorkflowHandle }> {
  const donation = await stage.give({ placement: 'queues', campaignId: randomUUID() });
  await eventually('the pledge is there, and its campaign is not', async () =>
    expect(await pledgeOf(stage, donation)).toMatchObject({ status: 'INITIATED' }),
  );
  return donation;
}

/** A donation that an operator cancelled before anything was asked of the provider. */
export async function failed(stage: DonationStage): Promise<Donation> {
  const donation = await pledged(stage);
  await donation.handle.cancel();
  await stage.newCampaign(donation.campaignId);
  expect(await donation.handle.result()).toMatchObject({ status: 'FAILED' });
  return donation;
}

/** A donation that was declined, and that our key could not cancel: its browser may still pay. */
export async function declinedAndOpen(stage: DonationStage): Promise<Donation> {
  stage.refuse(['cancelPayment']);
  const donation = await stage.give({ placement: 'queues', paymentMethod: DECLINED });
  await expect(donation.handle.result()).rejects.toThrow('Workflow execution failed');
  stage.refuse([]);
  return donation;
}

export async function paymentIdOf(stage: DonationStage, donation: Donation): Promise<string> {
  return await eventually('the provider’s payment is known', async () => {
    const { provider_payment_id: id } = await paymentOf(stage, donation);
    expect(id).toMatch(/^pi_/);
    return String(id);
  });
}

export async function tried(stage: DonationStage, donation: Donation, operation: string): Promise<void> {
  await eventually(`the ${operation} was tried`, async () =>
    expect(await triesOf(stage, donation, operation)).toBeGreaterThan(0),
  );
}

/** The workflow has learnt of as many steps as this, whatever came of them. */
export async function learnt(handle: WorkflowHandle, activity: string, times = 1): Promise<void> {
  await eventually(`${activity} has come back`, async () => {
    const { events = [] } = await handle.fetchHistory();
    const asked = (events ?? [])
      .filter((it) => it.activityTaskScheduledEventAttributes?.activityType?.name === activity)
      .map(({ eventId }) => String(eventId));
    const back = (events ?? []).filter((it) =>
      asked.includes(
        String(
          it.activityTaskCompletedEventAttributes?.scheduledEventId ??
            it.activityTaskFailedEventAttributes?.scheduledEventId,
        ),
      ),
    );
    expect(back.length).toBeGreaterThanOrEqual(times);
  });
}

/** The provider authorizes a payment that nobody waits for any more. */
export async function authorizedLate({ provider }: DonationStage, donation: Donation): Promise<string> {
  const key = (step: string): string => `${donation.donationId}:${step}:1`;
  const created = await provider.createPayment({ ...donation, currency: 'USD' }, key('create'));
  if (created.kind !== 'yes') throw new Error(`create was answered ${created.kind}`);
  expect(await provider.confirmPayment(created.payment.id, key('confirm'))).toMatchObject({ kind: 'yes' });
  return created.payment.id;
}

export async function capturedAtTheProvider(
  { provider }: DonationStage,
  { donationId }: Donation,
  paymentId: string,
): Promise<void> {
  expect(await provider.capturePayment(paymentId, `${donationId}:capture:1`)).toMatchObject({ kind: 'yes' });
}

/** A browser that still has the client secret tries another card. */
export async function paidWithAnotherCard(stage: DonationStage, donation: Donation): Promise<void> {
  const paymentId = await paymentIdOf(stage, donation);
  const answer = await fetch(`${stage.simulator.base}/v1/payment_intents/${paymentId}/confirm`, {
    method: 'POST',
    headers: { authorization: `Bearer ${SECRET_KEY}`, 'idempotency-key': randomUUID() },
    body: new URLSearchParams({ payment_method: 'pm_card_visa' }),
  });
  expect(answer.status).toBe(200);
  await capturedAtTheProvider(stage, donation, paymentId);
}

/** The row alone: the workflow is not told. */
export async function cancelWritten({ pools }: DonationStage, { donationId }: Donation): Promise<void> {
  await pools.donations.query('UPDATE donation_requests SET cancel_requested_at = now() WHERE id = $1', [
    donationId,
  ]);
}

export async function cancelledByDonor(stage: DonationStage, donation: Donation): Promise<void> {
  await cancelWritten(stage, donation);
  const tell = deliverDonationCommand(stage.pools.donations, stage.client);
  const row = { id: randomUUID(), attempts: 1, donation_id: donation.donationId, traceparent: null };
  expect(await tell(row)).toEqual({ kind: 'delivered' });
}

export async function campaignCloses({ pools }: DonationStage, { campaignId }: Donation): Promise<void> {
  await pools.campaigns.query(`UPDATE campaigns SET status = 'closed', version = version + 1 WHERE id = $1`, [
    campaignId,
  ]);
}

/** Everything the provider has to tell about a donation, refunds and disputes included, oldest first; all of it stored. */
export async function received(
  stage: DonationStage,
  donation: Donation,
  ofPayment?: string,
): Promise<ListedEvent[]> {
  const paymentId = ofPayment ?? (await providersId(stage, donation));
  const answer = await fetch(`${stage.simulator.base}/v1/events?limit=100`, {
    headers: { authorization: `Bearer ${SECRET_KEY}` },
  });
  const { data } = (await answer.json()) as { data: ListedEvent[] };
  const events = data
    .filter(({ data: { object } }) => object['id'] === paymentId || object['payment_intent'] === paymentId)
    .toReversed();
  await storeEvents(stage.pools.payments, events);
  return events;
}

/** Also of a payment whose id we have not learnt. */
async function providersId({ simulator }: DonationStage, { donationId }: Donation): Promise<string> {
  const effects = await simulator.ledger();
  const effect = effects.find((it) => it.donationId === donationId);
  if (effect === undefined) throw new Error(`the provider knows nothing of ${donationId}`);
  return effect.paymentId;
}

/** The relay hands over the newest event of this kind, to the workflow that it belongs to. */
export async function told(
  stage: DonationStage,
  donation: Donation,
  type: RegExp,
  ofPayment?: string,
): Promise<void> {
  const events = (await received(stage, donation, ofPayment)).filter((event) => type.test(event.type));
  const [newest] = events.slice(-1);
  if (newest === undefined) throw new Error(`the provider tells nothing like ${String(type)}`);
  expect(await stage.deliver(donation, newest.id)).toEqual({ kind: 'delivered' });
}

/** A refund as HTTP takes it; nobody is told of it yet. All that is left, unless told. */
export async function refundAsked(
  { pools }: DonationStage,
  { donationId }: Donation,
  amountMinor?: number,
): Promise<string> {
  const idempotencyKey = randomUUID();
  const answer = await createRefundStore(pools.payments, () => undefined).ask({
    donationId,
    scope: 'operator',
    idempotencyKey,
    fingerprint: createHash('sha256').update(idempotencyKey).digest(),
    amountMinor,
    currency: undefined,
    reason: undefined,
    requestedBy: 'operator',
  });
  if (answer.kind === 'refused') throw new Error(`the refund was refused: ${answer.code}`);
  return answer.refund.id;
}

/** Tells the aftercare of a donation, and returns it as it runs from here on. */
export async function aftercareHears(
  stage: DonationStage,
  donation: Donation,
  news: News,
): Promise<WorkflowHandle> {
  const payment = await findPaymentOrder(stage.pools.payments, donation.donationId);
  if (payment === null) throw new Error(`there is no payment of ${donation.donationId}`);
  const { client: temporal, queues } = stage;
  await signalAftercare({ temporal, queues, policy: donation.policy }, payment, news);
  return await running(stage, donation);
}

/** The run of today, whatever comes after it. */
export async function running(
  { client, ...stage }: DonationStage,
  donation: Donation,
): Promise<WorkflowHandle> {
  const { runId, workflowId } = await stage.aftercare(donation).describe();
  return client.workflow.getHandle(workflowId, runId);
}

/** Meanwhile nobody can change the donation's pledge. */
export async function whilePledgeIsLocked(
  { pools }: DonationStage,
  { donationId }: Donation,
  act: () => Promise<void>,
): Promise<void> {
  const client = await pools.donations.connect();
  try {
    await client.query('BEGIN');
    await client.query('SELECT FROM pledges WHERE id = $1 FOR UPDATE', [donationId]);
    await act();
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}

/** The provider has taken a refund; answers with what it calls it. */
export async function takenRefund({ pools }: DonationStage, refundId: string): Promise<string> {
  return await eventually('the provider has taken the refund', async () => {
    const { rows } = await pools.payments.query<{ id: string | null }>(
      'SELECT provider_refund_id AS id FROM refunds WHERE id = $1',
      [refundId],
    );
    expect(rows[0]?.id).toMatch(/^re_/);
    return String(rows[0]?.id);
  });
}
