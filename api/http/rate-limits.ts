/** How much one client may ask for; told with each answer as draft-ietf-httpapi-ratelimit-headers has it. */
import type { Request, RequestHandler, Response } from 'express';
import type { User } from '../../domain/actor.ts';
import { membershipOf } from '../../platform/addresses.ts';
import type { Limits, Quota } from '../../platform/limit-settings.ts';
import type { ClientOf } from './client-address.ts';
import { Problem } from './problem.ts';
import { createWindowCounter, type CounterStore, type WindowCounter } from './window-counter.ts';

const KINDS = ['donate', 'write', 'read'] as const;
type Kind = (typeof KINDS)[number];
type Subject = 'address' | 'account';

export type RateLimitOptions = {
  readonly limits: Limits;
  readonly clientOf: ClientOf;
  /** null counts in this process alone. */
  readonly store: CounterStore | null;
};

/** Called when it is known whose request it is: an account is counted as well as its address. */
type OnAccount = (user: User) => Promise<void>;
const accountHooks = new WeakMap<Request, OnAccount>();

/** Throws `rate_limited` when the account has asked for too much. */
export async function countAccount(request: Request, user: User): Promise<void> {
  await accountHooks.get(request)?.(user);
}

/** Before anything is read or looked up. A refused request has left no trace: the same key works afterwards. */
export function rateLimits({ limits, clientOf, store }: RateLimitOptions): RequestHandler {
  const isOwn = membershipOf(limits.ownNetworks);
  const counters = Object.fromEntries(
    KINDS.map((kind) => [kind, countersOf(kind, limits[kind], store)]),
  ) as Readonly<Record<Kind, Readonly<Record<Subject, WindowCounter>>>>;

  return async (request, response, next) => {
    const kind = kindOf(request);
    if (kind === null) {
      next();
      return;
    }
    const { address, network } = clientOf(request);
    const factor = isOwn(address) ? limits.ownFactor : 1;
    const applied: Applied[] = [];
    const take = async (subject: Subject, key: string): Promise<void> => {
      const quota = limits[kind][subject];
      const counted = await counters[kind][subject](key);
      applied.push({ quota, limit: quota.requests * factor, ...counted });
      tell(response, applied);
    };
    accountHooks.set(request, (user) => take('account', user.id));
    await take('address', network);
    next();
  };
}

function countersOf(
  kind: Kind,
  quotas: Limits[Kind],
  store: CounterStore | null,
): Readonly<Record<Subject, WindowCounter>> {
  // A read costs less than asking Redis whether it may be made.
  const where = kind === 'read' ? null : store;
  return {
    address: createWindowCounter(`${kind}:address`, quotas.address.seconds, where),
    account: createWindowCounter(`${kind}:account`, quotas.account.seconds, where),
  };
}

/** The provider's webhooks are signed, and all come from a few addresses; health is asked for by our own. */
const UNLIMITED = /^\/(?:webhooks|internal)\/|^\/(?:livez|readyz|metrics)\/?$/i;
const READING = new Set(['GET', 'HEAD', 'OPTIONS']);

function kindOf({ method, path }: Request): Kind | null {
  if (UNLIMITED.test(path)) return null;
  if (READING.has(method)) return 'read';
  return /^\/donate\/?$/i.test(path) ? 'donate' : 'write';
}

type Applied = {
  readonly quota: Quota;
  readonly limit: number;
  readonly used: number;
  readonly resetMs: number;
};

/** Of several limits the one that is nearest. */
function tell(response: Response, applied: readonly Applied[]): void {
  const [nearest] = applied.toSorted((a, b) => a.limit - a.used - (b.limit - b.used));
  if (nearest === undefined) return;
  const resetSeconds = Math.max(1, Math.ceil(nearest.resetMs / 1_000));
  response.set({
    'RateLimit-Limit': String(nearest.limit),
    'RateLimit-Remaining': String(Math.max(0, nearest.limit - nearest.used)),
    'RateLimit-Reset': String(resetSeconds),
    'RateLimit-Policy': applied.map(({ limit, quota }) => `${limit};w=${quota.seconds}`).join(', '),
  });
  if (nearest.used > nearest.limit) throw new Problem('rate_limited', { retryAfterSeconds: resetSeconds });
}
