/** Donation requests as rows. A unique key decides every race: claim by insert, never by look-up. */
import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import type { CurrencyCode } from '../../domain/money.ts';
import { createBatcher, type Batcher } from '../../platform/batcher.ts';
import { isDataError } from '../../platform/database-errors.ts';
import type { Failpoint } from '../../platform/failpoint.ts';
import { transaction } from '../../platform/postgres.ts';
import { activeTraceparent } from '../../platform/telemetry.ts';
import { DONATION, type Donation } from './donation.ts';
import type { Scope } from './identity.ts';

export type NewRequest = {
  readonly id: string;
  readonly scope: Scope;
  readonly key: string;
  readonly fingerprint: Buffer;
  readonly campaignId: string;
  readonly amountMinor: number;
  readonly currency: CurrencyCode;
  readonly paymentMethod: string;
  /** JSON text of what was asked, as parsed. */
  readonly body: string;
  readonly traceparent: string | null;
};

/** `created`: this call stored it. Otherwise it was there, perhaps with another fingerprint. */
export type Accepted = { readonly created: boolean; readonly donation: Donation };

type Result =
  | { readonly ok: true; readonly accepted: Accepted }
  | { readonly ok: false; readonly error: unknown };

const MAX_BATCH = 128;
/** About two seconds of work: beyond it a caller is better told to come back. */
const MAX_WAITING = 4_000;
/** While the database hangs, a turn may never come. */
const MAX_WAIT_MS = 3_000;

export type RequestStore = {
  accept(request: NewRequest): Promise<Accepted>;
  find(id: string): Promise<Donation | null>;
  /** The donor's cancel; false when the capture was first. Asking again changes nothing. */
  cancel(id: string): Promise<boolean>;
};

export type Written = {
  /** Requests were stored. */
  readonly stored: () => void;
  /** A workflow has to be told something. */
  readonly commanded: () => void;
};

export function createRequestStore(
  pool: Pool,
  failpoint: Failpoint,
  { stored, commanded }: Written,
): RequestStore {
  const accepts: Batcher<NewRequest, Result> = createBatcher({
    maxBatch: MAX_BATCH,
    maxWaiting: MAX_WAITING,
    maxWaitMs: MAX_WAIT_MS,
    maxRunning: 2,
    run: async (requests) => {
      const results = await acceptBatch(pool, requests);
      failpoint('accept.stored');
      stored();
      return results;
    },
  });
  const finds: Batcher<string, Donation | null> = createBatcher({
    maxBatch: MAX_BATCH,
    maxWaiting: MAX_WAITING,
    maxWaitMs: MAX_WAIT_MS,
    maxRunning: 2,
    run: async (ids) => {
      const found = await findDonations(pool, ids);
      return ids.map((id) => found.get(id) ?? null);
    },
  });
  return {
    accept: async (request) => {
      const result = await accepts.add(request);
      if (!result.ok) throw result.error;
      return result.accepted;
    },
    find: (id) => finds.add(id),
    cancel: async (id) => {
      const won = await cancelRequest(pool, id);
      if (won) commanded();
      return won;
    },
  };
}

/** Cancel and capture meet on this row; the command only wakes a workflow that waits for its donor. */
async function cancelRequest(pool: Pool, id: string): Promise<boolean> {
  return await transaction(pool, async (client) => {
    const { rowCount } = await client.query(
      `UPDATE donation_requests SET cancel_requested_at = coalesce(cancel_requested_at, now())
       WHERE id = $1 AND capture_started_at IS NULL`,
      [id],
    );
    if (rowCount !== 1) return false;
    await client.query(
      `INSERT INTO workflow_commands (id, donation_id, type, traceparent) VALUES ($1, $2, 'cancel', $3) ON CONFLICT DO NOTHING`,
      [randomUUID(), id, activeTraceparent()],
    );
    return true;
  });
}

async function acceptBatch(pool: Pool, requests: readonly NewRequest[]): Promise<Result[]> {
  try {
    return await insertOrFind(pool, requests);
  } catch (error) {
    if (requests.length === 1 || !isDataError(error)) throw error;
    // One row that PostgreSQL refuses must not fail the others.
    return await Promise.all(
      requests.map((request) =>
        insertOrFind(pool, [request]).then(
          ([result]) => result as Result,
          (cause: unknown) => ({ ok: false, error: cause }) as const,
        ),
      ),
    );
  }
}

async function insertOrFind(pool: Pool, requests: readonly NewRequest[]): Promise<Result[]> {
  // One row per key, the first to ask; sorted, so that two batches with the same keys lock in the same order.
  const firsts = new Map(requests.toReversed().map((request) => [request.id, request]));
  const unique = [...firsts.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const { rows } = await pool.query<{ id: string; accepted_at: Date }>({
    name: 'requests-insert',
    text: `INSERT INTO donation_requests (id, scope, idempotency_key, fingerprint, campaign_id, amount, currency, payment_method, body, traceparent)
           SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::uuid[], $6::bigint[], $7::text[], $8::text[], $9::jsonb[], $10::text[])
           ON CONFLICT DO NOTHING RETURNING id, accepted_at`,
    values: [
      unique.map((request) => request.id),
      unique.map((request) => request.scope),
      unique.map((request) => request.key),
      unique.map((request) => request.fingerprint),
      unique.map((request) => request.campaignId),
      unique.map((request) => request.amountMinor),
      unique.map((request) => request.currency),
      unique.map((request) => request.paymentMethod),
      unique.map((request) => request.body),
      unique.map((request) => request.traceparent),
    ],
  });
  const inserted = new Map(rows.map((row) => [row.id, row.accepted_at]));
  // A second statement: in the first one's snapshot the winner of a race may be invisible.
  const missing = unique.filter((request) => !inserted.has(request.id));
  const known = await findByKey(pool, missing);

  return requests.map((request) => {
    const first = firsts.get(request.id) ?? request;
    const acceptedAt = inserted.get(request.id);
    // The twin of a request of this very batch gets that one's donation, fingerprint included.
    const donation = acceptedAt === undefined ? known.get(request.id) : newDonation(first, acceptedAt);
    if (donation === undefined)
      return { ok: false, error: new Error(`request ${request.id} was neither stored nor found`) };
    return { ok: true, accepted: { created: acceptedAt !== undefined && first === request, donation } };
  });
}

function newDonation(request: NewRequest, createdAt: Date): Donation {
  const { id, scope, fingerprint, campaignId, amountMinor, currency } = request;
  return {
    id,
    scope,
    fingerprint,
    campaignId,
    amount: amountMinor,
    currency,
    status: 'INITIATED',
    version: 0,
    failureCode: null,
    possibleDuplicateOf: null,
    createdAt,
  };
}

async function findDonations(pool: Pool, ids: readonly string[]): Promise<Map<string, Donation>> {
  const { rows } = await pool.query<Donation>({
    name: 'requests-find',
    text: `SELECT ${DONATION} FROM donation_requests r LEFT JOIN pledges p ON p.id = r.id WHERE r.id = ANY($1::uuid[])`,
    values: [[...new Set(ids)]],
  });
  return new Map(rows.map((row) => [row.id, row]));
}

/** By the unique key, which is the authority: it holds even for rows whose id was derived from another secret. */
async function findByKey(pool: Pool, requests: readonly NewRequest[]): Promise<Map<string, Donation>> {
  if (requests.length === 0) return new Map();
  const { rows } = await pool.query<Donation & { asked: string }>({
    name: 'requests-find-by-key',
    text: `SELECT ${DONATION}, asked.id AS asked
           FROM unnest($1::uuid[], $2::text[], $3::text[]) AS asked(id, scope, key)
           JOIN donation_requests r ON r.scope = asked.scope AND r.idempotency_key = asked.key
           LEFT JOIN pledges p ON p.id = r.id`,
    values: [
      requests.map((request) => request.id),
      requests.map((request) => request.scope),
      requests.map((request) => request.key),
    ],
  });
  return new Map(rows.map(({ asked, ...donation }) => [asked, donation]));
}
