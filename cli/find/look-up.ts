/** Finds donations by whatever a person has in hand. Everything that the text could be is looked up. */
import { createIdentity, type Scope } from '../../api/donations/identity.ts';
import { parseIdempotencyKey } from '../../domain/idempotency-key.ts';
import { isUuid } from '../../domain/ids.ts';
import type { Snapshot } from '../audit/load/databases.ts';

export type Means =
  | 'donation id'
  | 'workflow id'
  | 'idempotency key'
  | 'provider payment id'
  | 'provider charge id'
  | 'provider refund id'
  | 'provider dispute id'
  | 'refund id'
  | 'dispute id'
  | 'event id'
  | 'donor e-mail'
  | 'campaign id';

export type Match = { readonly id: string; readonly by: Means };

export type Matches = {
  readonly matches: readonly Match[];
  /** What was found on the way and is no donation. */
  readonly notes: readonly string[];
};

/** Of one donor or campaign, the latest. */
export const MAX_DONATIONS = 20;

export async function lookUp(snapshot: Snapshot, text: string): Promise<Matches> {
  const read = await Promise.all([
    byCampaign(snapshot, text),
    byProviderPayment(snapshot, text),
    byCharge(snapshot, text),
    byProviderReversal(snapshot, text),
    byReversal(snapshot, text),
    byEvent(snapshot, text),
    byEmail(snapshot, text),
    byKey(snapshot, text),
  ]);
  const all = [byDonation(text), byWorkflow(text), ...read];
  return { matches: all.flatMap(({ matches }) => matches), notes: all.flatMap(({ notes }) => notes) };
}

const NOTHING: Matches = { matches: [], notes: [] };

function matched(by: Means, ids: readonly string[], notes: readonly string[] = []): Matches {
  return { matches: ids.map((id) => ({ id, by })), notes };
}

/** Whether there is such a donation shows when it is read. */
function byDonation(text: string): Matches {
  const id = text.toLowerCase();
  return isUuid(id) ? matched('donation id', [id]) : NOTHING;
}

function byWorkflow(text: string): Matches {
  const id = /^(?:donation|aftercare)\/(.+)$/.exec(text)?.[1]?.toLowerCase();
  return isUuid(id) ? matched('workflow id', [id]) : NOTHING;
}

async function byCampaign(snapshot: Snapshot, text: string): Promise<Matches> {
  if (!isUuid(text.toLowerCase())) return NOTHING;
  // Requests have no index by campaign, pledges have; what was accepted a moment ago is not pledged yet.
  const rows = await snapshot.query<{ id: string }>(
    'donations',
    'SELECT id FROM pledges WHERE campaign_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2',
    [text, MAX_DONATIONS],
  );
  return matched('campaign id', idsOf(rows));
}

async function byProviderPayment(snapshot: Snapshot, text: string): Promise<Matches> {
  if (!text.startsWith('pi_')) return NOTHING;
  // The answer to the create may have been lost: then only an event knows both ids.
  const rows = await snapshot.query<{ id: string }>(
    'payments',
    `SELECT id FROM payments WHERE provider_payment_id = $1
     UNION SELECT donation_id FROM webhook_events WHERE object_id = $1 AND donation_id IS NOT NULL`,
    [text],
  );
  return matched('provider payment id', idsOf(rows));
}

async function byCharge(snapshot: Snapshot, text: string): Promise<Matches> {
  if (!/^(?:ch|py)_/.test(text)) return NOTHING;
  const rows = await snapshot.query<{ id: string }>(
    'payments',
    `SELECT id FROM payments WHERE provider_charge_id = $1
     UNION SELECT donation_id FROM webhook_events WHERE (charge_id = $1 OR object_id = $1) AND donation_id IS NOT NULL`,
    [text],
  );
  return matched('provider charge id', idsOf(rows));
}

const REVERSALS = {
  refund: { ids: /^(?:re|pyr)_/, table: 'refunds', column: 'provider_refund_id' },
  dispute: { ids: /^(?:dp|du)_/, table: 'disputes', column: 'provider_dispute_id' },
} as const;

/** As the provider calls it; an event may know it before our books do. */
async function byProviderReversal(snapshot: Snapshot, text: string): Promise<Matches> {
  const kind = (['refund', 'dispute'] as const).find((name) => REVERSALS[name].ids.test(text));
  if (kind === undefined) return NOTHING;
  const { table, column } = REVERSALS[kind];
  const rows = await snapshot.query<{ id: string }>(
    'payments',
    `SELECT payment_id AS id FROM ${table} WHERE ${column} = $1
     UNION SELECT donation_id FROM webhook_events WHERE object_id = $1 AND donation_id IS NOT NULL`,
    [text],
  );
  return matched(`provider ${kind} id`, idsOf(rows));
}

/** As we call it. */
async function byReversal(snapshot: Snapshot, text: string): Promise<Matches> {
  if (!isUuid(text.toLowerCase())) return NOTHING;
  const rows = await snapshot.query<{ id: string; kind: 'refund' | 'dispute' }>(
    'payments',
    `SELECT payment_id AS id, 'refund' AS kind FROM refunds WHERE id = $1
     UNION ALL SELECT payment_id, 'dispute' FROM disputes WHERE id = $1`,
    [text],
  );
  return { matches: rows.map(({ id, kind }) => ({ id, by: `${kind} id` })), notes: [] };
}

async function byEvent(snapshot: Snapshot, text: string): Promise<Matches> {
  if (!text.startsWith('evt_')) return NOTHING;
  const [event] = await snapshot.query<{
    type: string;
    objectId: string;
    outcome: string | null;
    receivedAt: Date;
    donationId: string | null;
  }>(
    'payments',
    `SELECT e.type, e.object_id AS "objectId", e.outcome, e.received_at AS "receivedAt", coalesce(e.donation_id, p.id) AS "donationId"
     FROM webhook_events e LEFT JOIN payments p ON p.provider_payment_id = e.object_id OR p.provider_charge_id = e.charge_id WHERE e.event_id = $1`,
    [text],
  );
  if (event === undefined) return NOTHING;
  const { type, objectId, outcome, receivedAt, donationId } = event;
  const note = `${text} is ${type} about ${objectId}, received ${receivedAt.toISOString()}, ${outcome ?? 'not processed yet'}`;
  return matched('event id', donationId === null ? [] : [donationId], [note]);
}

async function byEmail(snapshot: Snapshot, text: string): Promise<Matches> {
  if (!text.includes('@')) return NOTHING;
  const rows = await snapshot.query<{ id: string }>(
    'donations',
    'SELECT id FROM pledges WHERE lower(donor_email) = lower($1) ORDER BY created_at DESC, id DESC LIMIT $2',
    [text, MAX_DONATIONS],
  );
  return matched('donor e-mail', idsOf(rows));
}

/** Of a guest and of every account that used it. By the row and by the id that follows from it: the two must agree. */
async function byKey(snapshot: Snapshot, text: string): Promise<Matches> {
  const parsed = parseIdempotencyKey([text]);
  if (!parsed.ok) return NOTHING;
  const { key } = parsed;
  // The unique index begins with the scope: a guest's is found at once, accounts' are read through.
  const stored = await snapshot.query<{ id: string; scope: Scope }>(
    'donations',
    `SELECT id, scope FROM donation_requests WHERE scope = 'guest' AND idempotency_key = $1
     UNION ALL (SELECT id, scope FROM donation_requests WHERE scope <> 'guest' AND idempotency_key = $1 LIMIT $2)`,
    [key, MAX_DONATIONS],
  );
  const [installation] = await snapshot.query<{ secret: Buffer }>(
    'donations',
    'SELECT secret FROM installation WHERE id = 1',
  );
  if (installation === undefined) return matched('idempotency key', idsOf(stored));
  const identity = createIdentity(installation.secret);
  const idOf = (scope: Scope): string => identity.donationId(scope, key);
  const notes = stored
    .filter(({ id, scope }) => idOf(scope) !== id)
    .map(
      ({ scope }) =>
        `By this installation's secret the key would be donation ${idOf(scope)}: the secret was another one then.`,
    );
  return matched('idempotency key', [...new Set([...idsOf(stored), idOf('guest')])], notes);
}

function idsOf(rows: readonly { readonly id: string }[]): string[] {
  return rows.map(({ id }) => id);
}
