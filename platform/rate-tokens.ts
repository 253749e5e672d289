/** A token bucket in memory: `perSecond` on average, a burst of one second's worth. */
export type RateTokens = { /** False when none is left right now; never waits. */ take(): boolean };

export function createRateTokens(
  perSecond: number,
  nowMs: () => number = () => performance.now(),
): RateTokens {
  let tokens = perSecond;
  let filledAt = nowMs();
  return {
    take: () => {
      const now = nowMs();
      tokens = Math.min(perSecond, tokens + ((now - filledAt) / 1_000) * perSecond);
      filledAt = now;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
