import type { PaymentProvider, ProviderListAnswer, ProviderPayment, UnknownAnswer } from '../port.ts';

const PAGE_SIZE = 100;
/** A look-up by list gives up after this many pages instead of walking a whole account. */
const MAX_PAGES = 50;
/** Our clock and the provider's may differ by this much. */
const CLOCK_SLACK_SECONDS = 300;

/** Search first, which is fast and may lag; then the list, which is neither. */
export async function findByDonation(
  provider: {
    readonly search: (query: string) => Promise<ProviderListAnswer>;
    readonly listPayments: PaymentProvider['listPayments'];
  },
  donationId: string,
  createdFrom: Date,
  signal: AbortSignal | undefined,
): Promise<ProviderListAnswer> {
  const found = await provider.search(
    `metadata['donation_id']:'${donationId.replaceAll(/['\\]/g, String.raw`\$&`)}'`,
  );
  if (found.kind === 'yes') {
    const payments = ofDonation(found.payments, donationId);
    if (payments.length > 0) return { kind: 'yes', payments, nextCursor: null };
  }
  return findInList(provider.listPayments, donationId, createdFrom, signal);
}

async function findInList(
  listPayments: PaymentProvider['listPayments'],
  donationId: string,
  createdFrom: Date,
  signal: AbortSignal | undefined,
): Promise<ProviderListAnswer> {
  const payments: ProviderPayment[] = [];
  let startingAfter: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const answer = await listPayments(
      {
        createdFrom: new Date(createdFrom.getTime() - CLOCK_SLACK_SECONDS * 1000),
        limit: PAGE_SIZE,
        ...(startingAfter === undefined ? {} : { startingAfter }),
      },
      signal,
    );
    if (answer.kind !== 'yes') return answer;
    payments.push(...ofDonation(answer.payments, donationId));
    if (answer.nextCursor === null || payments.length > 0) return { kind: 'yes', payments, nextCursor: null };
    startingAfter = answer.nextCursor;
  }
  // The search ran out of its budget: an empty list would read as "there is none".
  return { kind: 'unknown', reason: 'timeout', retryAfterMs: null, replayed: false } satisfies UnknownAnswer;
}

function ofDonation(payments: readonly ProviderPayment[], donationId: string): ProviderPayment[] {
  return payments.filter((payment) => payment.donationId === donationId);
}
