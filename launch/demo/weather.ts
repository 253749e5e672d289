/** What goes wrong at the provider and on the way to it, and how patient the platform is meanwhile. */

/** Dials of the simulator (provider/simulator/dials.ts): each a share of all calls or events. */
export const STORMY = {
  latencyMs: { min: 2, max: 25 },
  // The charge is made and nobody hears of it: one answer in ten.
  resetAfter: 0.05,
  timeoutAfter: 0.05,
  webhookDrop: 0.1,
  webhookDuplicate: 0.3,
  webhookReorder: 0.3,
  webhookDelayMs: { min: 20, max: 1_000 },
};

/** One of each at least, however few people give: shots that hit the first call of that kind. */
export const SURE_HITS = [
  { operation: 'create', fault: 'resetAfter' },
  { operation: 'capture', fault: 'resetAfter' },
  { operation: 'confirm', fault: 'timeoutAfter' },
  { operation: 'capture', fault: 'timeoutAfter' },
  { operation: 'capture', fault: 'webhookDrop' },
  { operation: 'confirm', fault: 'webhookDuplicate' },
  { operation: 'confirm', fault: 'webhookReorder' },
];

/** Shorter than in production, so that nobody has to wait a minute for what a lost answer or a dead worker held up. */
export const IMPATIENT_POLICY = {
  providerCallTimeoutMs: 2_000,
  localProviderCallTimeoutMs: 1_000,
  retryInitialMs: 250,
  retryMaxMs: 2_000,
  sweepAfterMs: 2_000,
  leaseMs: 5_000,
  redeliverAfterMs: 10_000,
};
