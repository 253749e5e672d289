/** The payments service's rows of one donation: what was asked of the provider, what it answered and told, what followed. */
import type { Snapshot } from '../audit/load/databases.ts';
import { readOutbox } from './outbox-rows.ts';
import type { Happening } from './timeline.ts';

type OperationRow = {
  operation: string;
  n: number;
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
type TransitionRow = { version: number; fromState: string; toState: string; cause: string; at: Date };
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
    needsReview: string | null;
  }>(
    'payments',
    `SELECT created_at AS "createdAt", updated_at AS "updatedAt", provider_payment_id AS "providerPaymentId", needs_review AS "needsReview" FROM payments WHERE id = $1`,
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

  for (const row of await snapshot.query<OperationRow>(
    'payments',
    `SELECT operation, n, provider_key AS key, started_at AS "startedAt", attempts, last_attempt_at AS "lastAttemptAt", last_reason AS "lastReason",
       answer ->> 'kind' AS kind, answer #>> '{payment,status}' AS status, answer ->> 'code' AS code, answered_at AS "answeredAt"
     FROM payment_operations WHERE payment_id = $1 ORDER BY started_at, n`,
    [id],
  )) {
    const name = `${row.operation} ${row.n}`;
    happenings.push({ at: row.startedAt, source: 'provider', what: `${name} asked, key ${row.key}` });
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
  for (const { version, fromState, toState, cause, at } of await snapshot.query<TransitionRow>(
    'payments',
    `SELECT version, from_state AS "fromState", to_state AS "toState", cause, at FROM payment_transitions WHERE payment_id = $1 ORDER BY version`,
    [id],
  )) {
    happenings.push({ at, source: 'payment', what: `${fromState} → ${toState} v${version}, by ${cause}` });
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
       outcome, attempts, last_error AS "lastError" FROM webhook_events WHERE donation_id = $1 OR object_id = $2 ORDER BY received_at`,
    [id, payment?.providerPaymentId ?? ''],
  );
  return [...happenings, ...webhooks.flatMap(ofWebhook), ...(await readOutbox(snapshot, 'payments', id))];
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
