/** The rows of one donation, in every database, as happenings. */
import type { Snapshot } from '../audit/load/databases.ts';
import { readCommands } from './command-rows.ts';
import { readOutbox } from './outbox-rows.ts';
import { fromPayments } from './payment-rows.ts';
import type { Happening } from './timeline.ts';

type Pledge = { status: string; version: number; failureCode: string | null };

export type DonationRows = {
  readonly known: boolean;
  readonly pledge: Pledge | null;
  readonly happenings: readonly Happening[];
};

export async function readRows(snapshot: Snapshot, id: string): Promise<DonationRows> {
  const [donations, payments, totals, receipts] = await Promise.all([
    fromDonations(snapshot, id),
    fromPayments(snapshot, id),
    fromCampaigns(snapshot, id),
    fromNotifications(snapshot, id),
  ]);
  const happenings = [...donations.happenings, ...payments, ...totals, ...receipts];
  return { known: happenings.length > 0, pledge: donations.pledge, happenings };
}

type RequestRow = {
  campaignId: string;
  amount: number;
  currency: string;
  paymentMethod: string;
  acceptedAt: Date;
  startedAt: Date | null;
  captureStartedAt: Date | null;
  cancelRequestedAt: Date | null;
  parkedAt: Date | null;
  attempts: number;
  lastError: string | null;
};

async function fromDonations(
  snapshot: Snapshot,
  id: string,
): Promise<{ pledge: Pledge | null; happenings: Happening[] }> {
  const [request] = await snapshot.query<RequestRow>(
    'donations',
    `SELECT campaign_id AS "campaignId", amount, currency, payment_method AS "paymentMethod", accepted_at AS "acceptedAt", started_at AS "startedAt",
       capture_started_at AS "captureStartedAt", cancel_requested_at AS "cancelRequestedAt", parked_at AS "parkedAt", attempts, last_error AS "lastError"
     FROM donation_requests WHERE id = $1`,
    [id],
  );
  const [pledge] = await snapshot.query<Pledge & { createdAt: Date; updatedAt: Date }>(
    'donations',
    `SELECT status, version, failure_code AS "failureCode", created_at AS "createdAt", updated_at AS "updatedAt" FROM pledges WHERE id = $1`,
    [id],
  );
  const happenings: Happening[] = [];
  const add = (at: Date | null | undefined, what: string, trouble = false): void => {
    if (at != null)
      happenings.push({ at, source: 'request', what, ...(trouble ? { trouble: true as const } : {}) });
  };
  if (request !== undefined) {
    const { amount, currency, campaignId, paymentMethod, attempts } = request;
    add(
      request.acceptedAt,
      `accepted: ${amount} ${currency} (minor units) for campaign ${campaignId} by ${paymentMethod}`,
    );
    add(
      request.startedAt,
      `workflow handed over${attempts > 1 ? ` after ${attempts} attempts` : ''}`,
      attempts > 1,
    );
    add(request.captureStartedAt, 'capture claimed: too late to cancel');
    add(request.cancelRequestedAt, 'cancel requested by the donor');
    add(request.parkedAt, `parked: ${request.lastError ?? 'no reason noted'}`, true);
  }
  add(pledge?.createdAt, 'pledge written');
  if (pledge !== undefined && pledge.version > 0) {
    add(
      pledge.updatedAt,
      `pledge ${pledge.status} v${pledge.version}${pledge.failureCode === null ? '' : ` (${pledge.failureCode})`}`,
    );
  }
  return {
    pledge: pledge ?? null,
    happenings: [
      ...happenings,
      ...(await readCommands(snapshot, 'donations', id)),
      ...(await readOutbox(snapshot, 'donations', id)),
    ],
  };
}

async function fromCampaigns(snapshot: Snapshot, id: string): Promise<Happening[]> {
  const rows = await snapshot.query<{ kind: string; amount: number; at: Date }>(
    'campaigns',
    // By the primary key: entry ids begin with the donation's.
    `SELECT kind, amount, applied_at AS at FROM applied_entries WHERE entry_id COLLATE "C" > $1 || ':' AND entry_id COLLATE "C" < $1 || ';' ORDER BY applied_at`,
    [id],
  );
  return rows.map(({ kind, amount, at }) => ({ at, source: 'totals', what: `${kind} ${amount} counted` }));
}

async function fromNotifications(snapshot: Snapshot, id: string): Promise<Happening[]> {
  const rows = await snapshot.query<{ at: Date }>(
    'notifications',
    'SELECT created_at AS at FROM receipts WHERE donation_id = $1',
    [id],
  );
  const notices = await snapshot.query<{
    at: Date;
    kind: string;
    audience: string;
    amount: number;
    currency: string;
  }>(
    'notifications',
    'SELECT created_at AS at, kind, audience, amount, currency FROM notices WHERE donation_id = $1 ORDER BY created_at',
    [id],
  );
  return [
    ...rows.map(({ at }): Happening => ({ at, source: 'receipt', what: 'receipt noted' })),
    ...notices.map(({ at, kind, audience, amount, currency }): Happening => ({
      at,
      source: 'notice',
      what: `${kind} ${amount} ${currency} told to ${audience}`,
    })),
  ];
}
