/** The provider's payments, refunds and disputes, as its public API tells them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  MoneyBackListPage,
  PaymentProvider,
  ProviderDispute,
  ProviderPageAnswer,
  ProviderPayment,
  ProviderRefund,
  UnknownAnswer,
} from '../../../provider/port.ts';
import { CommandProblem } from '../../problem.ts';

/** A payment is created after its request, and the provider's clock may still be behind ours. */
export const PROVIDER_CLOCK_SLACK_MS = 600_000;

const PAGE_SIZE = 100;
/** Within about ten seconds: enough for a provider that fails every other time. */
const MAX_TRIES = 10;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2_000;
const CONCURRENT_LOOKUPS = 8;

/** Every payment, or those created from `createdFrom` on. */
export async function listAllPayments(
  provider: PaymentProvider,
  createdFrom: Date | null,
): Promise<ProviderPayment[]> {
  const payments: ProviderPayment[] = [];
  let startingAfter: string | undefined;
  for (;;) {
    const page = await answered('list its payments', () =>
      provider.listPayments({
        limit: PAGE_SIZE,
        ...(createdFrom === null ? {} : { createdFrom }),
        ...(startingAfter === undefined ? {} : { startingAfter }),
      }),
    );
    payments.push(...page.payments);
    if (page.nextCursor === null) return payments;
    startingAfter = page.nextCursor;
  }
}

export type ProviderReversals = {
  readonly refunds: readonly ProviderRefund[];
  readonly disputes: readonly ProviderDispute[];
};

/** Every refund and dispute, or those created from `createdFrom` on: none is older than its payment. */
export async function listAllReversals(
  provider: PaymentProvider,
  createdFrom: Date | null,
): Promise<ProviderReversals> {
  return await listReversals(provider, createdFrom === null ? {} : { createdFrom });
}

/** Those of these payments. */
export async function listReversalsOf(
  provider: PaymentProvider,
  paymentIds: readonly string[],
): Promise<ProviderReversals> {
  const found = await eachOf(paymentIds, CONCURRENT_LOOKUPS, async (paymentId) => [
    await listReversals(provider, { paymentId }),
  ]);
  return {
    refunds: found.flatMap(({ refunds }) => refunds),
    disputes: found.flatMap(({ disputes }) => disputes),
  };
}

async function listReversals(
  provider: PaymentProvider,
  which: Pick<MoneyBackListPage, 'createdFrom' | 'paymentId'>,
): Promise<ProviderReversals> {
  return {
    refunds: await everyPage('list its refunds', (page) => provider.listRefunds({ ...which, ...page })),
    disputes: await everyPage('list its disputes', (page) => provider.listDisputes({ ...which, ...page })),
  };
}

async function everyPage<Item>(
  what: string,
  ask: (page: MoneyBackListPage) => Promise<ProviderPageAnswer<Item>>,
): Promise<Item[]> {
  const items: Item[] = [];
  let page: MoneyBackListPage = { limit: PAGE_SIZE };
  for (;;) {
    const asked = page;
    const answer = await answered(what, () => ask(asked));
    items.push(...answer.items);
    if (answer.nextCursor === null) return items;
    page = { limit: PAGE_SIZE, startingAfter: answer.nextCursor };
  }
}

/** The payments of these ids as they are now; one that the provider does not know is left out. */
export async function retrievePayments(
  provider: PaymentProvider,
  ids: readonly string[],
): Promise<ProviderPayment[]> {
  return await eachOf(ids, CONCURRENT_LOOKUPS, async (id) => {
    const answer = await answered(`tell payment ${id}`, async () => {
      const asked = await provider.retrievePayment(id);
      return asked.kind === 'our_fault' && asked.status === 404 ? ({ kind: 'absent' } as const) : asked;
    });
    return answer.kind === 'yes' ? [answer.payment] : [];
  });
}

/** The outcome of a question is repeated until it is known: an audit that guesses proves nothing. */
async function answered<Answer extends { readonly kind: string }>(
  what: string,
  ask: () => Promise<Answer>,
): Promise<Exclude<Answer, { readonly kind: 'our_fault' | 'unknown' | 'declined' | 'wrong_state' }>> {
  for (let tries = 1; ; tries += 1) {
    const answer = await ask();
    if (
      answer.kind !== 'our_fault' &&
      answer.kind !== 'unknown' &&
      answer.kind !== 'declined' &&
      answer.kind !== 'wrong_state'
    ) {
      return answer as Exclude<
        Answer,
        { readonly kind: 'our_fault' | 'unknown' | 'declined' | 'wrong_state' }
      >;
    }
    const reason =
      'reason' in answer ? String(answer.reason) : 'code' in answer ? String(answer.code) : answer.kind;
    if (answer.kind !== 'unknown' || tries >= MAX_TRIES)
      throw new CommandProblem(`The payment provider did not ${what}: ${reason}`);
    await sleep(
      (answer as unknown as UnknownAnswer).retryAfterMs ??
        Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1)),
    );
  }
}

/** At most `width` at a time; results in the order of the items. */
export async function eachOf<Item, Result>(
  items: readonly Item[],
  width: number,
  work: (item: Item) => Promise<readonly Result[]>,
): Promise<Result[]> {
  const results: (readonly Result[])[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next; index < items.length; index = next) {
      next += 1;
      results[index] = await work(items[index] as Item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  return results.flat();
}
