import type { Pool } from 'pg';
import { isDatabaseUnavailable } from '../../platform/database-errors.ts';
import type { Logger } from '../../platform/log.ts';
import type { PaymentProvider } from '../../provider/port.ts';

/** A donor who looks again soon is better off than one who waits for a provider that is silent. */
const ANSWER_LIMIT_MS = 2_000;

/** Asked of the provider each time: with it a browser can complete the payment, so it is stored nowhere. */
export function createClientSecrets(
  pool: Pool,
  provider: Pick<PaymentProvider, 'retrieveClientSecret'>,
  log: Logger,
): (donationId: string) => Promise<string | null> {
  return async (donationId) => {
    const id = await waitingPayment(pool, donationId).catch((error: unknown) => {
      // The donation itself can still be told.
      if (!isDatabaseUnavailable(error)) throw error;
      log.warn({ donationId, err: error }, 'whether the donor has to act cannot be told right now');
      return null;
    });
    if (id === null) return null;
    const answer = await provider.retrieveClientSecret(id, AbortSignal.timeout(ANSWER_LIMIT_MS));
    if (answer.kind === 'yes') return answer.clientSecret;
    log.warn({ donationId, answer: answer.kind }, 'the client secret cannot be had right now');
    return null;
  };
}

/** The provider's id of the payment; null unless its donor has to act. */
async function waitingPayment(pool: Pool, donationId: string): Promise<string | null> {
  const { rows } = await pool.query<{ provider_payment_id: string }>({
    name: 'payment-waits-for-donor',
    text: `SELECT provider_payment_id FROM payments
           WHERE id = $1 AND waiting_for = 'action' AND provider_payment_id IS NOT NULL`,
    values: [donationId],
  });
  return rows[0]?.provider_payment_id ?? null;
}
