/** The API as api/main.ts wires it, in this process and without relays: several of them stand for several processes. */
import { randomUUID } from 'node:crypto';
import type { Express, Router } from 'express';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { campaignsRouter } from '../../../api/campaigns/router.ts';
import { readCampaign } from '../../../api/campaigns/campaign.ts';
import { ownerOf } from '../../../api/campaigns/store.ts';
import { createCampaignSnapshots, type CampaignLookup } from '../../../api/donations/campaign-snapshots.ts';
import { createDonationHistory } from '../../../api/donations/history.ts';
import { createCardTesting } from '../../../api/donations/card-testing.ts';
import { openIdentity } from '../../../api/donations/identity.ts';
import { createRequestStore } from '../../../api/donations/requests.ts';
import { donationsRouter } from '../../../api/donations/router.ts';
import { createSeenDonations } from '../../../api/donations/seen-donations.ts';
import { closeServer, createApp, listen } from '../../../api/http/app.ts';
import type { Authenticate } from '../../../api/http/authentication.ts';
import { connectionLimits } from '../../../api/http/connections.ts';
import { clientsBehind } from '../../../api/http/client-address.ts';
import { createClientSecrets } from '../../../api/payments/client-secret.ts';
import { createInbox } from '../../../api/payments/inbox.ts';
import { createReconciliationReports } from '../../../api/payments/reconciliation.ts';
import type { CampaignOwnerOf } from '../../../api/payments/refund-rights.ts';
import { createRefundStore } from '../../../api/payments/refunds.ts';
import { paymentsRouter } from '../../../api/payments/router.ts';
import { SERVICES } from '../../../api/services.ts';
import { createBreaker } from '../../../platform/breaker.ts';
import { loadConfig } from '../../../platform/config.ts';
import { createFailpoint } from '../../../platform/failpoint.ts';
import { createLogger } from '../../../platform/log.ts';
import { createPool } from '../../../platform/postgres.ts';
import type { PaymentProvider } from '../../../provider/port.ts';
import { conforms } from '../../harness/api-document.ts';
import { json, send, type Answer, type Call } from './http-client.ts';
import { authenticate as testKeys, tokenOf } from './test-keys.ts';

export const OPERATOR_TOKEN = tokenOf({ id: '00000000-0000-8000-8000-000000000001', role: 'operator' });
export const WEBHOOK_SECRET = 'whsec_first';
export const NEXT_WEBHOOK_SECRET = 'whsec_second';

export const silent = createLogger('test', 'silent');
const failpoint = createFailpoint(undefined);

export type GatewayOptions = {
  readonly urls: {
    readonly donations: string;
    readonly payments: string;
    readonly campaigns: string;
  };
  readonly redis?: Redis | null;
  /** Default: as little as in production. */
  readonly redisTimeoutMs?: number;
  readonly lookup?: CampaignLookup;
  readonly campaignOwnerOf?: CampaignOwnerOf;
  /** Default: every token of test-keys.ts. */
  readonly authenticate?: Authenticate;
  /** Of services that have a gateway of their own in other tests. */
  readonly routers?: readonly Router[];
  /** Whom to ask for client secrets; without, no donor has to act. */
  readonly provider?: Pick<PaymentProvider, 'retrieveClientSecret'>;
  readonly statementTimeoutMs?: number;
  /** Variables of the environment that say who may ask, and how much. */
  readonly env?: Readonly<Partial<Record<'LIMITS' | 'TRUSTED_PROXIES' | 'CORS_ORIGINS', string>>>;
};

export type Gateway = AsyncDisposable & {
  readonly app: Express;
  readonly port: number;
  readonly pools: { readonly donations: Pool; readonly payments: Pool; readonly campaigns: Pool };
  /** Whatever is asked: an answer that the API description does not allow fails the test. */
  send(call: Call): Promise<Answer>;
  /** How often rows were announced to the relay. */
  woken(): number;
};

export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { urls, redis = null, statementTimeoutMs = 5_000 } = options;
  const pool = (name: keyof typeof urls): Pool =>
    createPool({ url: urls[name], max: 4, name: `test-${name}`, statementTimeoutMs });
  const pools = { donations: pool('donations'), payments: pool('payments'), campaigns: pool('campaigns') };
  const authenticate = options.authenticate ?? testKeys;
  let woken = 0;
  const wake = (): void => {
    woken += 1;
  };
  const { redisTimeoutMs } = options;
  const redisBreaker = createBreaker(
    'redis',
    silent,
    redisTimeoutMs === undefined ? {} : { timeoutMs: redisTimeoutMs },
  );
  const config = loadConfig([], { ...options.env });
  const clientOf = clientsBehind(config.TRUSTED_PROXIES);
  const identity = await openIdentity(pools.donations, undefined);
  const app = createApp({
    log: silent,
    limits: {
      limits: config.LIMITS,
      clientOf,
      store: redis === null ? null : { redis, breaker: redisBreaker },
    },
    corsOrigins: config.CORS_ORIGINS,
    breakers: [],
    ready: async () => {
      await Promise.all(Object.values(pools).map((it) => it.query('SELECT 1')));
    },
    describes: SERVICES,
    routers: [
      donationsRouter({
        requests: createRequestStore(pools.donations, failpoint, { stored: wake, commanded: wake }),
        history: createDonationHistory(pools.donations),
        campaigns: createCampaignSnapshots(
          pools.donations,
          options.lookup ?? ((id) => readCampaign(pools.campaigns, id)),
          silent,
        ),
        identity,
        authenticate,
        clientOf,
        cardTesting: createCardTesting(pools.donations, identity, config.LIMITS, silent),
        seen: redis === null ? null : createSeenDonations(redis, redisBreaker),
        clientSecretOf:
          options.provider === undefined
            ? () => Promise.resolve(null)
            : createClientSecrets(pools.payments, options.provider, silent),
      }),
      paymentsRouter({
        inbox: createInbox(pools.payments, failpoint, wake),
        webhookSecrets: [WEBHOOK_SECRET, NEXT_WEBHOOK_SECRET],
        refunds: createRefundStore(pools.payments, wake),
        campaignOwnerOf: options.campaignOwnerOf ?? ((id) => ownerOf(pools.campaigns, id)),
        reports: createReconciliationReports(pools.payments),
        authenticate,
        log: silent,
      }),
      campaignsRouter({ pool: pools.campaigns, authenticate, outboxWritten: wake }),
      ...(options.routers ?? []),
    ],
  });
  const { server, port } = await listen(
    app,
    0,
    '127.0.0.1',
    connectionLimits(config.LIMITS, config.TRUSTED_PROXIES),
  );
  return {
    app,
    port,
    pools,
    send: async (call) => {
      const answer = await send(port, call);
      conforms(call.method ?? 'GET', call.path, answer);
      return answer;
    },
    woken: () => woken,
    async [Symbol.asyncDispose]() {
      await closeServer(server);
      await Promise.all(Object.values(pools).map((it) => it.end()));
    },
  };
}

const OPERATOR: [string, string] = ['Authorization', `Bearer ${OPERATOR_TOKEN}`];
const JSON_TYPE: [string, string] = ['Content-Type', 'application/json'];

/** A campaign of the test's own. */
export async function newCampaign(
  gateway: Gateway,
  fields: { readonly currency?: string; readonly status?: 'draft' | 'open'; readonly goal?: number } = {},
): Promise<string> {
  const answer = await gateway.send({
    method: 'POST',
    path: '/campaigns',
    headers: [OPERATOR, JSON_TYPE],
    body: JSON.stringify({ title: 'Wells', currency: 'USD', ...fields }),
  });
  if (answer.status !== 201) throw new Error(`no campaign: ${answer.text}`);
  return (json(answer) as { id: string }).id;
}

export async function closeCampaign(gateway: Gateway, id: string): Promise<Answer> {
  return await gateway.send({ method: 'POST', path: `/campaigns/${id}/close`, headers: [OPERATOR] });
}

export function newKey(): string {
  return randomUUID();
}

export type DonationFields = Readonly<Record<string, unknown>>;

export function donationBody(campaignId: string, fields: DonationFields = {}): Record<string, unknown> {
  return { campaignId, amount: 2500, currency: 'USD', paymentMethod: 'pm_card_visa', ...fields };
}

/** A string is sent as it is. */
export function donate(
  gateway: Pick<Gateway, 'send'>,
  key: string,
  body: Record<string, unknown> | string | Uint8Array,
  authorization: readonly (readonly [string, string])[] = [],
): Promise<Answer> {
  return gateway.send({
    method: 'POST',
    path: '/donate',
    headers: [...authorization, JSON_TYPE, ['Idempotency-Key', key]],
    body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
  });
}

export type DonationAnswer = {
  readonly id: string;
  readonly status: string;
  readonly amount: number;
  readonly donorToken: string;
};

export function donation(answer: Answer): DonationAnswer {
  if (answer.status !== 202) throw new Error(`not accepted: ${answer.status} ${answer.text}`);
  return json(answer) as DonationAnswer;
}

export function getDonation(gateway: Gateway, id: string, token: string | null): Promise<Answer> {
  return gateway.send({
    path: `/donations/${id}`,
    headers: token === null ? [] : [['Authorization', `Bearer ${token}`]],
  });
}

/** How many requests are stored under a key. */
export async function rowsOf(pool: Pool, key: string): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    'SELECT count(*) AS count FROM donation_requests WHERE idempotency_key = $1',
    [key],
  );
  return rows[0]?.count ?? 0;
}

/** How many requests are stored at all. */
export async function allRows(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ count: number }>('SELECT count(*) AS count FROM donation_requests');
  return rows[0]?.count ?? 0;
}
