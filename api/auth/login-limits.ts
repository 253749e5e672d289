/**
 * How many failures are taken before a guess is refused unheard. Per account and address, per address, and per account:
 * the last one shuts out strangers alone, because whoever knows an address could otherwise keep its owner out.
 */
import { createHmac } from 'node:crypto';
import type { Redis } from 'ioredis';
import {
  RateLimiterMemory,
  RateLimiterRedis,
  RateLimiterRes,
  type RateLimiterAbstract,
} from 'rate-limiter-flexible';
import type { AuthSettings } from '../../platform/auth-settings.ts';
import { Problem } from '../http/problem.ts';
import { deriveKey } from './sealing.ts';

export type Attempt = {
  readonly email: string;
  /** The client's address, as the trusted hops say. */
  readonly address: string;
  /** Of a device token that counts. */
  readonly device: string | null;
};

/** `takeBack` is for an attempt that was no failure. */
export type Begun = { takeBack(): Promise<void> };

export type LoginLimits = {
  /**
   * Counts an attempt as failed before it is made, so that many at once cannot slip through. Rejects with
   * `rate_limited`.
   */
  begin(attempt: Attempt): Promise<Begun>;
  /**
   * The same for one who is signed in and gives the password again. A thief of the session at another address does not
   * use up the owner's guesses; `stolen` is run once when guesses from many addresses have used up those of the account.
   */
  beginSignedIn(attempt: Omit<Attempt, 'device'>, stolen: () => Promise<void>): Promise<Begun>;
};

type LimitSettings = Pick<
  AuthSettings,
  | 'failuresWindowSeconds'
  | 'failuresPerAccountAndAddress'
  | 'failuresPerAddress'
  | 'failuresPerAccount'
  | 'failuresPerDevice'
>;

/** With Redis all processes count together; while it is away, and without it, each counts for itself. */
export function createLoginLimits(settings: LimitSettings, secret: string, redis: Redis | null): LoginLimits {
  const duration = settings.failuresWindowSeconds;
  const limiter = (name: string, points: number): RateLimiterAbstract => {
    const memory = new RateLimiterMemory({ keyPrefix: name, points, duration });
    if (redis === null) return memory;
    return new RateLimiterRedis({
      storeClient: redis,
      keyPrefix: `login:${name}`,
      points,
      duration,
      insuranceLimiter: memory,
    });
  };
  const byDevice = limiter('device', settings.failuresPerDevice);
  const byPair = limiter('account-and-address', settings.failuresPerAccountAndAddress);
  const byAddress = limiter('address', settings.failuresPerAddress);
  const byAccount = limiter('account', settings.failuresPerAccount);
  const bySession = limiter('signed-in', settings.failuresPerDevice);
  const bySessions = limiter('all-signed-in', settings.failuresPerAccount);
  // Redis is a cache that others may read: no e-mail or network address stands in it.
  const key = deriveKey(secret, 'login limits');
  const named = (...parts: readonly string[]): string =>
    createHmac('sha256', key).update(parts.join('\0')).digest('base64url');

  const begun = (buckets: readonly Bucket[]): Begun => ({
    async takeBack() {
      for (const [bucket, name] of buckets) await bucket.reward(name);
    },
  });
  return {
    async begin({ email, address, device }) {
      // In this order: who is refused for their own failures adds nothing to what counts against the account.
      const buckets: readonly Bucket[] =
        device === null
          ? [
              [byPair, named(email, address)],
              [byAddress, named(address)],
              [byAccount, named(email)],
            ]
          : [[byDevice, named(email, device)]];
      for (const [bucket, name] of buckets) await take(bucket, name);
      return begun(buckets);
    },
    async beginSignedIn({ email, address }, stolen) {
      const [own, all]: readonly [Bucket, Bucket] = [
        [bySession, named(email, address)],
        [bySessions, named(email)],
      ];
      await take(...own);
      await take(...all, stolen);
      return begun([own, all]);
    },
  };
}

type Bucket = readonly [limiter: RateLimiterAbstract, name: string];

/** An attempt that nobody could judge is no failure. */
export async function judged<T>(attempt: Begun, judge: () => Promise<T>): Promise<T> {
  try {
    return await judge();
  } catch (error) {
    await attempt.takeBack();
    throw error;
  }
}

/** `usedUp` is run for the first that is refused. */
async function take(bucket: RateLimiterAbstract, name: string, usedUp?: () => Promise<void>): Promise<void> {
  try {
    await bucket.consume(name);
  } catch (refusal) {
    if (!(refusal instanceof RateLimiterRes)) throw refusal;
    if (refusal.consumedPoints === bucket.points + 1) await usedUp?.();
    throw new Problem('rate_limited', { retryAfterSeconds: Math.ceil(refusal.msBeforeNext / 1_000) });
  }
}
