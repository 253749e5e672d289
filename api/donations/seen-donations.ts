/** Which donations were accepted lately, in Redis: a hit spares an INSERT, anything else changes no answer. */
import type { Redis } from 'ioredis';
import type { Breaker } from '../../platform/breaker.ts';

export type SeenDonations = {
  /** False also while Redis is away. */
  has(id: string): Promise<boolean>;
  /** Nobody waits for it. */
  add(id: string): void;
};

const SEEN_SECONDS = 86_400;

/** Through the breaker, so that a silent Redis costs its time-out a few times, not once per request. */
export function createSeenDonations(redis: Redis, breaker: Breaker): SeenDonations {
  return {
    has: (id) =>
      breaker
        .run(() => redis.exists(`seen:${id}`))
        .then(
          (count) => count === 1,
          () => false,
        ),
    add: (id) => {
      breaker.run(() => redis.set(`seen:${id}`, '1', 'EX', SEEN_SECONDS)).catch(() => undefined);
    },
  };
}
