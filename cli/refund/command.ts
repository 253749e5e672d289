import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Argument, Command } from 'commander';
import { formatMoney } from '../../domain/money.ts';
import type { Refusal } from '../api.ts';
import { accessToken } from '../account/access-token.ts';
import { apiUrl, loadEnvironment } from '../environment.ts';
import { positiveInteger, seconds, uuid } from '../options.ts';
import { CommandProblem, EXIT, type ExitCode } from '../problem.ts';
import { printable, styled, table } from '../text.ts';
import { refundApi, type Refund, type RefundApi, type RefundOrder } from './api.ts';

type Options = {
  amount?: number;
  currency?: string;
  reason?: string;
  key?: string;
  wait?: true;
  timeout: number;
  json?: true;
};

const POLL_MS = 300;

export function refundCommand(end: (exitCode: ExitCode) => void): Command {
  return new Command('refund')
    .description('give a donation back, or a part of it, as an operator')
    .addArgument(new Argument('<donationId>').argParser(uuid))
    .option('--amount <minor units>', '1000 is 10.00 USD; all that is left unless told', positiveInteger)
    .option('--currency <code>', 'the donation’s unless told')
    .option('--reason <text>', 'why, for the organiser')
    .option(
      '--key <key>',
      'the idempotency key; a random UUID unless told. The same key again is the same refund',
    )
    .option('--wait', 'follow it to its end; exit 1 unless it succeeded')
    .option('--timeout <seconds>', 'how long to wait', seconds, 60)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nIt asks as whoever is signed in (`careforall login`), or with CAREFORALL_ACCESS_TOKEN of the environment.',
    )
    .action(async (donationId: string, options: Options) => {
      const config = loadEnvironment([]);
      const api = refundApi(apiUrl(config), () => accessToken(config));
      const key = options.key ?? randomUUID();
      const asked = await askFor(api, donationId, options, key);
      const refund =
        'refused' in asked || options.wait === undefined
          ? asked
          : { ...(await follow(api, asked, options)), replayed: asked.replayed };
      const ok = !('refused' in refund) && (options.wait === undefined || refund.status === 'succeeded');
      console.log(
        options.json
          ? JSON.stringify({ donationId, key, ...asJson(refund), ok }, null, 2)
          : describe(refund, key, ok),
      );
      end(ok ? EXIT.ok : EXIT.findings);
    });
}

type Asked = (Refund & { readonly replayed: boolean }) | Refusal;

async function askFor(api: RefundApi, donationId: string, options: Options, key: string): Promise<Asked> {
  const { amount, reason } = options;
  let currency: string | Refusal | undefined = options.currency;
  // With an amount the API wants to be told of what.
  if (amount !== undefined && currency === undefined) currency = await api.currencyOf(donationId);
  if (typeof currency === 'object') return currency;
  const order: RefundOrder = {
    ...(amount === undefined ? {} : { amount }),
    ...(currency === undefined ? {} : { currency }),
    ...(reason === undefined ? {} : { reason }),
  };
  return await api.ask(donationId, order, key);
}

async function follow(
  api: RefundApi,
  { donationId, id, ...asked }: Refund,
  { timeout, json }: Options,
): Promise<Refund> {
  const deadline = Date.now() + timeout * 1_000;
  let last: Refund = { donationId, id, ...asked };
  if (!json) console.error(styled('dim', `${id} ${last.status}`));
  while (last.status === 'pending' && Date.now() < deadline) {
    await sleep(POLL_MS);
    const now = await api.find(donationId, id);
    if ('refused' in now) throw new CommandProblem(`Refund ${id} cannot be read: ${now.detail}`);
    if (!json && now.status !== last.status) console.error(styled('dim', `${id} ${now.status}`));
    last = now;
  }
  return last;
}

function asJson(refund: Asked): object {
  if ('refused' in refund)
    return { id: null, status: `refused: ${refund.detail}`, failure: refund.code, replayed: false };
  const { id, status, amount, currency, failure, replayed } = refund;
  return { id, status, amount, currency, failure: failure?.code ?? null, replayed };
}

function describe(refund: Asked, key: string, ok: boolean): string {
  if ('refused' in refund) return styled('red', `refused: ${printable(refund.detail)}`);
  const { id, donationId, status, amount, currency, failure, replayed } = refund;
  const money = formatMoney({ amountMinor: amount, currency });
  const rows = table([
    ['refund', id],
    ['key', key],
    ['back', `${money} of ${donationId}${replayed ? ' (this key was used before: the same refund)' : ''}`],
  ]).map(printable);
  const shown = failure === undefined ? status : `${status} (${printable(failure.code)})`;
  return [...rows, styled(ok ? 'green' : 'red', shown)].join('\n');
}
