/** The payments service's rows of one donation: what was asked of the provider, what it answered and told, what followed. */
import type { Snapshot } from '../audit/load/databases.ts';
import { readCommands } from './command-rows.ts';
import { readOutbox } from './outbox-rows.ts';
import { readReversals } from './reversal-rows.ts';
import type { Happening } from './timeline.ts';

type OperationRow = {
  operation: string;
  n: number;
  refundId: string | null;
  key: string;
  startedAt: Date;
  attempts: number;
  lastAttemptAt: Date | null;
  lastReason: string | null;
  kind: string | null;
  status: string | null;
  code: string | null;
  answeredAt: Date | null;
};
type TransitionRow = {
  version: number;
  fromState: string;
  toState: string;
  kind: string;
  amount: string | null;
  status: string | null;
  cause: string;
  at: Date;
};
type WebhookRow = {
  id: string;
  type: string;
  receivedAt: Date;
  deliveredAt: Date | null;
  processedAt: Date | null;
  parkedAt: Date | null;
  outcome: string | null;
  attempts: number;
  lastError: string | null;
};

export async function fromPayments(snapshot: Snapshot, id: string): Promise<Happening[]> {
  const [payment] = await snapshot.query<{
    createdAt: Date;
    updatedAt: Date;
    providerPaymentId: string | null;
    providerChargeId: string | null;
    waitingFor: string | null;
    lateMoney: string | null;
    needsReview: string | null;
  }>(
    'payments',
    `SELECT created_at AS "createdAt", updated_at AS "updatedAt", provider_payment_id AS "providerPaymentId",
       provider_charge_id AS "providerChargeId", waiting_for AS "waitingFor", late_money AS "lateMoney", needs_review AS "needsReview" FROM payments WHERE id = $1`,
    [id],
  );
  const happenings: Happening[] = [];
  if (payment !== undefined)
    happenings.push({
      at: payment.createdAt,
      source: 'payment',
      what: `opened${payment.providerPaymentId === null ? '' : `, the provider’s ${payment.providerPaymentId}`}`,
    });
  if (payment?.needsReview != null)
    happenings.push({
      at: payment.updatedAt,
      source: 'payment',
      what: `needs review: ${payment.needsReview}`,
      trouble: true,
    });

  if (payment?.waitingFor != null)
    happenings.push({
      at: payment.updatedAt,
      source: 'payment',
      what: `waits for ${payment.waitingFor === 'action' ? 'the donor to act' : 'a bank'}`,
      trouble: true,
    });
  if (payment?.lateMoney === 'undecided')
    happenings.push({
      at: payment.updatedAt,
      source: 'payment',
      what: 'late money: whether it is kept is not decided',
      trouble: true,
    });
  const reversals = await readReversals(snapshot, id);

  for (const row of await snapshot.query<OperationRow>(
    'payments',
    `SELECT operation, n, refund_id AS "refundId", provider_key AS key, started_at AS "startedAt", attempts, last_attempt_at AS "lastAttemptAt", last_reason AS "lastReason",
       answer ->> 'kind' AS kind, coalesce(answer #>> '{payment,status}', answer #>> '{refund,status}') AS status, answer ->> 'code' AS code, answered_at AS "answeredAt"
     FROM payment_operations WHERE payment_id = $1 ORDER BY started_at, n`,
    [id],
  )) {
    const name = `${row.operation} ${row.n}`;
    happenings.push({
      at: row.startedAt,
      source: 'provider',
      what: `${name} asked, key ${row.key}${row.refundId === null ? '' : `, for refund ${row.refundId}`}`,
    });
    const retried = row.attempts > 1;
    const why = row.lastReason === null ? '' : `, last reason ${row.lastReason}`;
    if (retried && row.lastAttemptAt !== null)
      happenings.push({
        at: row.lastAttemptAt,
        source: 'provider',
        what: `${name} asked again, attempt ${row.attempts}${why}`,
        trouble: true,
      });
    if (row.answeredAt === null) continue;
    const says = [row.kind, row.status, row.code].filter((it) => it !== null).join(' ');
    happenings.push({
      at: row.answeredAt,
      source: 'provider',
      what: `${name} answered: ${says}`,
      ...(row.kind === 'yes' ? {} : { trouble: true as const }),
    });
  }
  for (const {
    version,
    fromState,
    toState,
    kind,
    amount,
    status,
    cause,
    at,
  } of await snapshot.query<TransitionRow>(
    'payments',
    `SELECT version, from_state AS "fromState", to_state AS "toState", change ->> 'type' AS kind, change ->> 'amountMinor' AS amount,
       change ->> 'status' AS status, cause, at FROM payment_transitions WHERE payment_id = $1 ORDER BY version`,
    [id],
  )) {
    const what = status === null ? '' : `, ${kind} of ${amount ?? '?'} ${status}`;
    happenings.push({
      at,
      source: 'payment',
      what: `${fromState} → ${toState} v${version}${what}, by ${cause}`,
      ...(status === 'failed' ? { trouble: true as const } : {}),
    });
  }
  for (const { account, amount, currency, at } of await snapshot.query<{
    account: string;
    amount: number;
    currency: string;
    at: Date;
  }>(
    'payments',
    `SELECT account, amount, currency, at FROM ledger_entries WHERE payment_id = $1 ORDER BY id`,
    [id],
  )) {
    happenings.push({
      at,
      source: 'ledger',
      what: `${account} ${amount > 0 ? '+' : ''}${amount} ${currency}`,
    });
  }
  const webhooks = await snapshot.query<WebhookRow>(
    'payments',
    `SELECT event_id AS id, type, received_at AS "receivedAt", delivered_at AS "deliveredAt", processed_at AS "processedAt", parked_at AS "parkedAt",
       outcome, attempts, last_error AS "lastError" FROM webhook_events WHERE donation_id = $1 OR object_id = ANY($2) OR charge_id = $3 ORDER BY received_at`,
    [id, [payment?.providerPaymentId ?? '', ...reversals.providerIds], payment?.providerChargeId ?? null],
  );
  return [
    ...happenings,
    ...reversals.happenings,
    ...webhooks.flatMap(ofWebhook),
    ...(await readCommands(snapshot, 'payments', id)),
    ...(await readOutbox(snapshot, 'payments', id)),
  ];
}

/** One that had nothing left to do is delivered and processed at once: one line less. */
function ofWebhook({
  id,
  type,
  receivedAt,
  deliveredAt,
  processedAt,
  parkedAt,
  outcome,
  attempts,
  lastError,
}: WebhookRow): Happening[] {
  const event = (at: Date, what: string, trouble = false): Happening => ({
    at,
    source: 'webhook',
    what: `${type} ${what}`,
    ...(trouble ? { trouble: true as const } : {}),
  });
  const happenings = [event(receivedAt, `received (${id})`)];
  if (deliveredAt !== null && deliveredAt.getTime() !== processedAt?.getTime())
    happenings.push(event(deliveredAt, 'delivered to the workflow'));
  if (processedAt !== null)
    happenings.push(event(processedAt, `processed: ${outcome ?? 'no outcome'}`, outcome === 'needs_review'));
  if (parkedAt !== null) happenings.push(event(parkedAt, `parked: ${lastError ?? 'no reason noted'}`, true));
  else if (deliveredAt === null && lastError !== null)
    happenings.push(event(receivedAt, `not delivered in ${attempts} attempts: ${lastError}`, true));
  return happenings;
}
