/** How an attempt with a card ended, where the API noted that there was one. */
import type { ClientBase } from 'pg';
import { wasDeclined } from '../../domain/card-testing.ts';
import type { DonationActivities } from '../../workflows/ports.ts';

export async function decideCardAttempt(
  client: ClientBase,
  { donationId, status, failureCode }: Parameters<DonationActivities['recordOutcome']>[0],
): Promise<void> {
  const declined = wasDeclined(status, failureCode);
  if (declined === null) return;
  await client.query({
    name: 'card-attempt-decide',
    text: `UPDATE card_attempts SET decided_at = clock_timestamp(), declined = $2
           WHERE donation_id = $1 AND decided_at IS NULL`,
    values: [donationId, declined],
  });
}
