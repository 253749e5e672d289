/** What the donation workflow has done in the donations database: the pledge, the claim of the capture, the outcome. */
import type { ClientBase, Pool } from 'pg';
import type { EventType } from '../../events/contracts.ts';
import { insertOutboxEvents } from '../../events/outbox.ts';
import type { PaymentStatus } from '../../domain/payment.ts';
import type { Failpoint } from '../../platform/failpoint.ts';
import { transaction } from '../../platform/postgres.ts';
import type { DonationActivities } from '../../workflows/ports.ts';
import { decideCardAttempt } from './card-attempts.ts';

export type DonationActivityDeps = {
  readonly pool: Pool;
  readonly failpoint: Failpoint;
  /** Outbox rows were committed. */
  readonly outboxWritten: () => void;
};

type PledgeRow = {
  id: string;
  campaign_id: string;
  amount: number;
  currency: string;
  status: string;
  version: number;
  failure_code: string | null;
};

/** `user:<id>`: the account's id. */
const DONOR_ID = `CASE WHEN scope <> 'guest' THEN substr(scope, length('user:') + 1)::uuid END`;

/**
 * An account is known, whatever it writes as its e-mail; and it never meets a guest here, who would hear of its donation.
 * `pm_card_…` are names that Stripe gives to test cards: everybody's, so they say nothing about who gives.
 */
const DONOR_KEY = `encode(sha256(convert_to(CASE WHEN scope <> 'guest' THEN scope ELSE coalesce(lower(body #>> '{donor,email}'),
  CASE WHEN payment_method NOT LIKE 'pm_card_%' THEN payment_method END) END, 'UTF8')), 'hex')`;

const PLEDGE_COLUMNS = 'id, campaign_id, amount, currency, status, version, failure_code';

export function createDonationActivities({
  pool,
  failpoint,
  outboxWritten,
}: DonationActivityDeps): DonationActivities {
  return {
    persistPledge: async (donationId) => {
      await transaction(pool, async (client) => {
        const { rows } = await client.query<PledgeRow>({
          name: 'pledge-persist',
          text: `INSERT INTO pledges (id, campaign_id, donor_id, donor_name, donor_email, anonymous, message, amount, currency, status, idempotency_key, donor_key)
                 SELECT id, campaign_id, ${DONOR_ID}, body #>> '{donor,name}', body #>> '{donor,email}', coalesce((body #>> '{donor,anonymous}')::boolean, false),
                        body ->> 'message', amount, currency, 'INITIATED', idempotency_key, ${DONOR_KEY}
                 FROM donation_requests WHERE id = $1
                 ON CONFLICT (id) DO NOTHING RETURNING ${PLEDGE_COLUMNS}`,
          values: [donationId],
        });
        // A repetition finds the pledge there, and its outbox row with it.
        if (rows[0] !== undefined) await announce(client, rows[0], 'donation.pledged.v1');
        failpoint('pledge.before-commit');
      });
      failpoint('pledge.committed');
      outboxWritten();
    },

    claimCapture: async ({ donationId, authorizedVersion }) =>
      transaction(pool, async (client) => {
        const { rowCount } = await client.query({
          name: 'capture-claim',
          text: `UPDATE donation_requests SET capture_started_at = coalesce(capture_started_at, now())
                 WHERE id = $1 AND cancel_requested_at IS NULL`,
          values: [donationId],
        });
        if (rowCount !== 1) return false;
        if (authorizedVersion !== null)
          await mirror(client, {
            donationId,
            status: 'AUTHORIZED',
            version: authorizedVersion,
            failureCode: null,
          });
        return true;
      }),

    recordOutcome: async (outcome) => {
      await transaction(pool, async (client) => {
        const mirrored = await mirror(client, outcome);
        // A promised refund or a dispute leaves the status as it is: that is no news of the donation.
        if (mirrored === undefined || mirrored.status_before === mirrored.status) return;
        await announce(client, mirrored, OUTCOME_EVENT[outcome.status]);
        await decideCardAttempt(client, outcome);
      });
      failpoint('outcome.committed');
      outboxWritten();
    },
  };
}

const OUTCOME_EVENT: Readonly<Record<PaymentStatus, EventType & `donation.${string}`>> = {
  INITIATED: 'donation.pledged.v1',
  AUTHORIZED: 'donation.authorized.v1',
  FAILED: 'donation.failed.v1',
  EXPIRED: 'donation.expired.v1',
  CAPTURED: 'donation.captured.v1',
  PARTIALLY_REFUNDED: 'donation.refunded.v1',
  REFUNDED: 'donation.refunded.v1',
};

/** The pledge follows the payment's version: what is older, or the same, changes nothing. */
async function mirror(
  client: ClientBase,
  { donationId, status, version, failureCode }: Parameters<DonationActivities['recordOutcome']>[0],
): Promise<(PledgeRow & { readonly status_before: string }) | undefined> {
  const { rows } = await client.query<PledgeRow & { readonly status_before: string }>({
    name: 'pledge-mirror',
    // Locked before it is read: the status before must be the one that this very update replaces.
    text: `WITH before AS (SELECT id AS pledge_id, status AS status_before FROM pledges WHERE id = $1 FOR NO KEY UPDATE)
           UPDATE pledges SET status = $2, version = $3, failure_code = $4, updated_at = now()
           FROM before WHERE id = pledge_id AND version < $3 RETURNING ${PLEDGE_COLUMNS}, status_before`,
    values: [donationId, status, version, failureCode],
  });
  return rows[0];
}

async function announce(
  client: ClientBase,
  pledge: PledgeRow,
  type: EventType & `donation.${string}`,
): Promise<void> {
  const {
    id,
    campaign_id: campaignId,
    amount,
    currency,
    status,
    version,
    failure_code: failureCode,
  } = pledge;
  const payload = { donationId: id, campaignId, amount, currency, status, version, failureCode };
  await insertOutboxEvents(client, [{ type, aggregateId: id, version, payload }]);
}
