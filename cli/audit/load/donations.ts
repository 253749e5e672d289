/** Donations with all their rows, by ranges of ids: what one range holds fits in memory, whatever the table's size. */
import type { QueryResultRow } from 'pg';
import type {
  AppliedEntry,
  CommandRow,
  DisputeRow,
  DonationSnapshot,
  LedgerLine,
  NoticeRow,
  OperationRow,
  OutboxRow,
  PaymentRow,
  PledgeRow,
  ReceiptRow,
  RefundRow,
  RequestRow,
  TransitionRow,
} from '../snapshot.ts';
import type { BookService, Snapshot } from './databases.ts';

/** Ids in (after, upTo], open-ended where null; or exactly those given. */
export type Slice =
  | { readonly after: string | null; readonly upTo: string | null }
  | { readonly ids: readonly string[] };

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer Item)[] ? Item[] : T[K] };
export type DonationRows = Mutable<
  Omit<
    DonationSnapshot,
    'provider' | 'providerRefunds' | 'providerDisputes' | 'openEvents' | 'workflow' | 'aftercare'
  >
>;

type Row<T> = T & { readonly donationId: string };

type Table = {
  readonly service: BookService;
  readonly idColumn: string;
  readonly select: string;
  readonly order?: string;
};
type ReadRows = <T extends QueryResultRow>(table: Table) => Promise<Row<T>[]>;

const TABLES = {
  requests: {
    service: 'donations',
    idColumn: 'id',
    select: `SELECT id AS "donationId", campaign_id AS "campaignId", amount AS "amountMinor", currency, accepted_at AS "acceptedAt",
      started_at AS "startedAt", cancel_requested_at AS "cancelRequestedAt", capture_started_at AS "captureStartedAt",
      parked_at AS "parkedAt", last_error AS "lastError" FROM donation_requests`,
  },
  pledges: {
    service: 'donations',
    idColumn: 'id',
    select: `SELECT id AS "donationId", campaign_id AS "campaignId", amount AS "amountMinor", currency, status, version,
      updated_at AS "updatedAt" FROM pledges`,
  },
  payments: {
    service: 'payments',
    idColumn: 'id',
    select: `SELECT id AS "donationId", campaign_id AS "campaignId", provider_payment_id AS "providerPaymentId",
      provider_charge_id AS "providerChargeId", amount AS "amountMinor", currency, state, authorized, closed_as AS "closedAs", closed_code AS "closedCode", captured AS "capturedMinor",
      refunded AS "refundedMinor", reserved AS "reservedMinor", fee AS "feeMinor", fee_currency AS "feeCurrency",
      waiting_for AS "waitingFor", late_money AS "lateMoney", version, needs_review AS "needsReview", created_at AS "createdAt" FROM payments`,
  },
  operations: {
    service: 'payments',
    idColumn: 'payment_id',
    select: `SELECT payment_id AS "donationId", operation, n, refund_id AS "refundId", attempts, last_reason AS "lastReason", started_at AS "startedAt",
      answered_at AS "answeredAt" FROM payment_operations`,
    order: 'payment_id, started_at',
  },
  transitions: {
    service: 'payments',
    idColumn: 'payment_id',
    select: `SELECT payment_id AS "donationId", version, from_state AS "fromState", to_state AS "toState", change, entries, at
      FROM payment_transitions`,
    order: 'payment_id, version',
  },
  refunds: {
    service: 'payments',
    idColumn: 'payment_id',
    select: `SELECT payment_id AS "donationId", id, provider_refund_id AS "providerRefundId", amount AS "amountMinor", status,
      requested_by AS "requestedBy", failure_code AS "failureCode", created_at AS "createdAt" FROM refunds`,
    order: 'payment_id, created_at, id',
  },
  disputes: {
    service: 'payments',
    idColumn: 'payment_id',
    select: `SELECT payment_id AS "donationId", id, provider_dispute_id AS "providerDisputeId", amount AS "amountMinor", status FROM disputes`,
  },
  ledger: {
    service: 'payments',
    idColumn: 'payment_id',
    select: `SELECT payment_id AS "donationId", posting_id AS "postingId", account, amount AS "amountMinor", currency FROM ledger_entries`,
  },
  donationCommands: {
    service: 'donations',
    idColumn: 'donation_id',
    select: commands('donations', 'donation_id'),
  },
  paymentCommands: {
    service: 'payments',
    idColumn: 'payment_id',
    select: commands('payments', 'payment_id'),
  },
  notices: {
    service: 'notifications',
    idColumn: 'donation_id',
    select: `SELECT donation_id AS "donationId", message_id AS "messageId", kind, amount AS "amountMinor", currency FROM notices`,
  },
  receipts: {
    service: 'notifications',
    idColumn: 'donation_id',
    select: `SELECT donation_id AS "donationId", campaign_id AS "campaignId", amount AS "amountMinor", currency FROM receipts`,
  },
} as const satisfies Record<string, Table>;

function outboxOf(service: OutboxRow['service']): Table {
  return { service, idColumn: 'aggregate_id', select: outbox(service) };
}

/** The next ids of accepted requests; a range that is not full is the last one. */
export async function nextRange(
  snapshot: Snapshot,
  after: string | null,
  size: number,
): Promise<Slice & { upTo: string | null }> {
  const { text, values } = where('id', { after, upTo: null });
  const [last] = await snapshot.query<{ id: string }>(
    'donations',
    `SELECT id FROM donation_requests WHERE ${text} ORDER BY id OFFSET ${size - 1} LIMIT 1`,
    values,
  );
  return { after, upTo: last?.id ?? null };
}

export async function readDonations(snapshot: Snapshot, slice: Slice): Promise<Map<string, DonationRows>> {
  const donations = new Map<string, DonationRows>();
  const of = (id: string): DonationRows => {
    const known = donations.get(id) ?? emptyRows(id);
    donations.set(id, known);
    return known;
  };
  const read: ReadRows = ({ service, idColumn, select, order }) => {
    const { text, values } = where(idColumn, slice);
    return snapshot.query(
      service,
      `${select} WHERE ${text}${order === undefined ? '' : ` ORDER BY ${order}`}`,
      values,
    );
  };

  const donationsService = async (): Promise<void> => {
    for (const row of await read<RequestRow>(TABLES.requests)) of(row.donationId).request = row;
    for (const row of await read<PledgeRow>(TABLES.pledges)) of(row.donationId).pledge = row;
    for (const row of await read<CommandRow>(TABLES.donationCommands)) of(row.donationId).commands.push(row);
    for (const row of await read<OutboxRow>(outboxOf('donations'))) of(row.donationId).outbox.push(row);
  };
  const paymentsService = async (): Promise<void> => {
    for (const row of await read<PaymentRow>(TABLES.payments)) of(row.donationId).payment = row;
    for (const row of await read<OperationRow>(TABLES.operations)) of(row.donationId).operations.push(row);
    for (const row of await read<TransitionRow>(TABLES.transitions)) of(row.donationId).transitions.push(row);
    for (const row of await read<RefundRow>(TABLES.refunds)) of(row.donationId).refunds.push(row);
    for (const row of await read<DisputeRow>(TABLES.disputes)) of(row.donationId).disputes.push(row);
    for (const row of await read<LedgerLine>(TABLES.ledger)) of(row.donationId).ledger.push(row);
    for (const row of await read<CommandRow>(TABLES.paymentCommands)) of(row.donationId).commands.push(row);
    for (const row of await read<OutboxRow>(outboxOf('payments'))) of(row.donationId).outbox.push(row);
  };
  const notifications = async (): Promise<void> => {
    for (const row of await read<ReceiptRow>(TABLES.receipts)) of(row.donationId).receipt = row;
    for (const row of await read<NoticeRow>(TABLES.notices)) of(row.donationId).notices.push(row);
  };
  const applied = async (): Promise<void> => {
    for (const entry of await readAppliedEntries(snapshot, slice)) of(ownerOf(entry)).applied.push(entry);
  };

  await Promise.all([donationsService(), paymentsService(), notifications(), applied()]);
  return donations;
}

/** An entry belongs to the donation that its id names; one that says otherwise in its column is reported there. */
function ownerOf({ entryId, donationId }: AppliedEntry): string {
  return UUID_PREFIX.exec(entryId)?.[1] ?? donationId;
}

const UUID_PREFIX = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):/;

/** Their ids begin with the donation's, and the primary key is the only index that helps. `;` is the character after `:`. */
async function readAppliedEntries(snapshot: Snapshot, slice: Slice): Promise<AppliedEntry[]> {
  const columns = `entry_id AS "entryId", campaign_id AS "campaignId", donation_id AS "donationId", kind, amount AS "amountMinor"`;
  if ('ids' in slice) {
    return snapshot.query(
      'campaigns',
      `SELECT ${columns} FROM unnest($1::text[]) AS donation(id) JOIN applied_entries ON entry_id COLLATE "C" > id || ':' AND entry_id COLLATE "C" < id || ';'`,
      [slice.ids],
    );
  }
  const values: string[] = [];
  const bounds = ['true'];
  if (slice.after !== null) bounds.push(`entry_id COLLATE "C" >= $${values.push(`${slice.after};`)}`);
  if (slice.upTo !== null) bounds.push(`entry_id COLLATE "C" < $${values.push(`${slice.upTo};`)}`);
  return snapshot.query(
    'campaigns',
    `SELECT ${columns} FROM applied_entries WHERE ${bounds.join(' AND ')}`,
    values,
  );
}

function where(column: string, slice: Slice): { readonly text: string; readonly values: unknown[] } {
  if ('ids' in slice) return { text: `${column} = ANY($1::uuid[])`, values: [slice.ids] };
  const values: string[] = [];
  const bounds = ['true'];
  if (slice.after !== null) bounds.push(`${column} > $${values.push(slice.after)}::uuid`);
  if (slice.upTo !== null) bounds.push(`${column} <= $${values.push(slice.upTo)}::uuid`);
  return { text: bounds.join(' AND '), values };
}

export function outbox(service: OutboxRow['service']): string {
  return `SELECT aggregate_id AS "donationId", '${service}' AS service, id, version, type, created_at AS "createdAt", processed_at AS "processedAt",
    parked_at AS "parkedAt", last_error AS "lastError" FROM outbox_events`;
}

function commands(service: CommandRow['service'], idColumn: string): string {
  return `SELECT ${idColumn} AS "donationId", '${service}' AS service, id, type, created_at AS "createdAt", delivered_at AS "deliveredAt",
    parked_at AS "parkedAt", last_error AS "lastError" FROM workflow_commands`;
}

export function emptyRows(id: string): DonationRows {
  return {
    id,
    request: null,
    pledge: null,
    payment: null,
    operations: [],
    transitions: [],
    refunds: [],
    disputes: [],
    ledger: [],
    applied: [],
    outbox: [],
    receipt: null,
    notices: [],
    commands: [],
  };
}
