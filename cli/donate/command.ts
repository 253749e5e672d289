import { randomUUID } from 'node:crypto';
import { Command } from 'commander';
import { formatMoney, isCurrencyCode } from '../../domain/money.ts';
import { apiUrl, loadEnvironment } from '../environment.ts';
import { positiveInteger, seconds, uuid } from '../options.ts';
import { CommandProblem, EXIT, type ExitCode } from '../problem.ts';
import { count, duration, printable, styled, table } from '../text.ts';
import { donorApi, type Campaign, type DonorApi, type Order } from './api.ts';
import { give, giveMany, type Gift } from './give.ts';

type Options = {
  campaign?: string;
  amount: number;
  currency?: string;
  paymentMethod: string;
  key?: string;
  count: number;
  concurrency: number;
  wait?: true;
  timeout: number;
  json?: true;
};

export function donateCommand(end: (exitCode: ExitCode) => void): Command {
  return new Command('donate')
    .description('give to a campaign, through the public API')
    .option('--campaign <id>', 'the newest open one unless told', uuid)
    .requiredOption('--amount <minor units>', '2500 is 25.00 USD', positiveInteger)
    .option('--currency <code>', 'the campaign’s unless told')
    .option('--payment-method <id>', 'pm_card_visa, pm_card_chargeDeclined, …', 'pm_card_visa')
    .option(
      '--key <key>',
      'the idempotency key; a random UUID unless told. The same key again is the same donation',
    )
    .option('--count <n>', 'how many donations', positiveInteger, 1)
    .option('--concurrency <n>', 'how many at once', positiveInteger, 8)
    .option('--wait', 'follow each to its end; exit 1 unless all are CAPTURED')
    .option('--timeout <seconds>', 'how long to wait for one', seconds, 60)
    .option('--json', 'print JSON')
    .action(async (options: Options) => {
      if (options.key !== undefined && options.count > 1) {
        throw new CommandProblem('One key is one donation: use --key without --count.');
      }
      const api = donorApi(apiUrl(loadEnvironment([])));
      const order = await orderOf(api, options);
      const startedAt = performance.now();
      const gifts = await giveAll(api, order, options);
      const elapsedMs = Math.round(performance.now() - startedAt);
      console.log(
        options.json
          ? JSON.stringify(asJson(order, gifts, elapsedMs), null, 2)
          : describe(order, gifts, elapsedMs),
      );
      end(gifts.every(({ ok }) => ok) ? EXIT.ok : EXIT.findings);
    });
}

async function orderOf(api: DonorApi, options: Options): Promise<Order> {
  const { campaign: id, amount, paymentMethod } = options;
  const campaign: Campaign | null =
    id === undefined ? await api.firstOpenCampaign() : await existing(api, id);
  if (campaign === null)
    throw new CommandProblem(
      'There is no open campaign. Create one, or name one with --campaign.',
      EXIT.findings,
    );
  return { campaignId: campaign.id, amount, currency: options.currency ?? campaign.currency, paymentMethod };
}

async function existing(api: DonorApi, id: string): Promise<Campaign> {
  const found = await api.findCampaign(id);
  if ('refused' in found) throw new CommandProblem(`Campaign ${id}: ${found.detail}`, EXIT.findings);
  return found;
}

async function giveAll(api: DonorApi, order: Order, options: Options): Promise<Gift[]> {
  const waitMs = options.wait ? options.timeout * 1_000 : null;
  const shown = options.json === undefined && options.count === 1;
  const changed = ({
    status,
    id,
    failure,
  }: {
    status: string;
    id: string;
    failure?: { code: string } | undefined;
  }): void => {
    if (shown && waitMs !== null)
      console.error(styled('dim', `${id} ${status}${failure === undefined ? '' : ` (${failure.code})`}`));
  };
  return await giveMany(options.count, options.concurrency, () =>
    give(api, order, options.key ?? randomUUID(), { waitMs, changed }),
  );
}

function asJson(order: Order, gifts: readonly Gift[], elapsedMs: number): object {
  const [only] = gifts;
  if (gifts.length === 1 && only !== undefined) return { ...order, ...only };
  return { ...order, count: gifts.length, elapsedMs, statuses: byStatus(gifts), donations: gifts };
}

function describe(order: Order, gifts: readonly Gift[], elapsedMs: number): string {
  const money = isCurrencyCode(order.currency)
    ? formatMoney({ amountMinor: order.amount, currency: order.currency })
    : `${order.amount} ${order.currency}`;
  const [only] = gifts;
  if (gifts.length === 1 && only !== undefined) {
    const { id, donorToken, key, status, failure, replayed, ok } = only;
    // An earlier answer may have been lost: the key leads to what it was about.
    if (id === null) return [styled('red', printable(status)), ...table([['key', key]])].join('\n');
    const rows = table([
      ['donation', id],
      ['token', donorToken ?? ''],
      ['key', key],
      [
        'gave',
        `${money} to ${order.campaignId}${replayed ? ' (this key was used before: the same donation)' : ''}`,
      ],
    ]);
    return [...rows, styled(ok ? 'green' : 'red', failure === null ? status : `${status} (${failure})`)].join(
      '\n',
    );
  }
  const perSecond = (gifts.length / (elapsedMs / 1_000)).toFixed(1);
  const rows = table(Object.entries(byStatus(gifts)).map(([status, n]) => [String(n), printable(status)]));
  return [
    `${count(gifts.length, 'donation')} of ${money} to ${order.campaignId} in ${duration(elapsedMs)} (${perSecond}/s)`,
    ...rows,
  ].join('\n');
}

function byStatus(gifts: readonly Gift[]): Record<string, number> {
  const statuses: Record<string, number> = {};
  for (const { status, failure } of gifts) {
    const label = failure === null || status.startsWith('refused') ? status : `${status} (${failure})`;
    statuses[label] = (statuses[label] ?? 0) + 1;
  }
  return statuses;
}
