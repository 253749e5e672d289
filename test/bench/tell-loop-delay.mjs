/** Loaded into each process of a bench: tells how late its event loop was, every second. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

const EVERY_MS = 1_000;
/** It measures this far too much by itself: the timer that it sets. */
const RESOLUTION_MS = 1;

if (isMainThread) {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  setInterval(() => {
    if (process.connected) process.send?.({ loopDelayP99Ms: delay.percentile(99) / 1e6 });
    delay.reset();
  }, EVERY_MS).unref();
}
