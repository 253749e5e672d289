/** Delivers what was decided about a payment, in its transaction, to the workflow that does it. */
import type { Pool } from 'pg';
import type { ClaimedRow, Delivery, RelayTable } from '../../platform/relay.ts';
import { inSpan } from '../../platform/telemetry.ts';
import { findPaymentOrder, signalAftercare, signalOwner, type AftercareDeps } from './aftercare.ts';

export const PAYMENT_COMMANDS_TABLE: RelayTable = {
  name: 'workflow_commands',
  idColumn: 'id',
  idType: 'uuid',
  columns: 'payment_id, type, traceparent',
  pending: 'delivered_at IS NULL',
  delivered: 'delivered_at = coalesce(t.delivered_at, now())',
};

export type PaymentCommandRow = ClaimedRow & {
  readonly payment_id: string;
  readonly type: 'refund' | 'look';
  readonly traceparent: string | null;
};

const SIGNAL_LIMIT_MS = 5_000;

export function deliverPaymentCommand(
  deps: AftercareDeps & { readonly pool: Pool },
): (row: PaymentCommandRow) => Promise<Delivery> {
  return (row) =>
    inSpan(
      `command ${row.type}`,
      { traceparent: row.traceparent, attributes: { 'donation.id': row.payment_id } },
      async () => {
        const payment = await findPaymentOrder(deps.pool, row.payment_id);
        if (payment === null) return { kind: 'parked', reason: 'there is no such payment' };
        await deps.temporal.withDeadline(Date.now() + SIGNAL_LIMIT_MS, () =>
          row.type === 'refund' ? signalAftercare(deps, payment, 'work') : signalOwner(deps, payment, 'look'),
        );
        return { kind: 'delivered' };
      },
    );
}
