import { randomBytes } from 'node:crypto';
import { freePort, LOOPBACK } from '../../launch/ports.ts';
import type { Role } from './stack-processes.ts';

export const API_SERVICES = ['auth', 'donations', 'payments', 'campaigns'] as const;
export type ApiService = (typeof API_SERVICES)[number];

/** Where each API process will be, before any of them is started. */
export type ApiPlan = {
  /** Where each service is reached, past any door. */
  readonly serviceUrls: Readonly<Record<ApiService, readonly string[]>>;
  /** `shared`: the environment of a process of all services. */
  processes(shared: Readonly<Record<string, string>>): ApiProcessPlan[];
};

type ApiProcessPlan = {
  readonly role: Role;
  readonly index: number;
  readonly env: Readonly<Record<string, string>>;
};

/** So many processes, each of all services. */
export async function planTogether(count: number): Promise<ApiPlan> {
  const ports = await freePorts(count);
  const urls = ports.map(urlOf);
  return {
    serviceUrls: { auth: urls, donations: urls, payments: urls, campaigns: urls },
    processes: (shared) =>
      ports.map((port, index) => ({ role: 'api', index, env: { ...shared, PORT: String(port) } })),
  };
}

const DATABASE_URL = /^([A-Z]+)_DATABASE_URL$/;

/** Each service in processes of its own, which know the way to no database but their own. */
export async function planApart(counts: Partial<Record<ApiService, number>>): Promise<ApiPlan> {
  const free = await freePorts(API_SERVICES.reduce((sum, service) => sum + (counts[service] ?? 1), 0));
  const take = (service: ApiService): number[] => free.splice(0, counts[service] ?? 1);
  const ports = {
    auth: take('auth'),
    donations: take('donations'),
    payments: take('payments'),
    campaigns: take('campaigns'),
  };
  const urls = {
    auth: ports.auth.map(urlOf),
    donations: ports.donations.map(urlOf),
    payments: ports.payments.map(urlOf),
    campaigns: ports.campaigns.map(urlOf),
  };
  const others = {
    CAMPAIGNS_URL: urls.campaigns[0] ?? '',
    AUTH_JWKS_URL: `${urls.auth[0] ?? ''}/.well-known/jwks.json`,
    PAYMENTS_URL: urls.payments[0] ?? '',
    INTERNAL_TOKEN: randomBytes(24).toString('hex'),
  };
  return {
    serviceUrls: urls,
    processes: (shared) =>
      API_SERVICES.flatMap((service) =>
        ports[service].map((port, index) => ({
          role: `${service}-api` as const,
          index,
          env: { ...withoutForeignDatabases(shared, service), ...others, PORT: String(port) },
        })),
      ),
  };
}

/** Nor, but for accounts, what the keys of access tokens are encrypted with. */
function withoutForeignDatabases(
  env: Readonly<Record<string, string>>,
  service: ApiService,
): Record<string, string> {
  const kept = Object.entries(env).filter(([name]) => {
    if (name === 'AUTH_SECRET') return service === 'auth';
    const owner = DATABASE_URL.exec(name)?.[1]?.toLowerCase();
    return owner === undefined || owner === service;
  });
  return Object.fromEntries(kept);
}

/** Different ones: each is taken while the next is looked for. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}

function urlOf(port: number): string {
  return `http://${LOOPBACK}:${port}`;
}
