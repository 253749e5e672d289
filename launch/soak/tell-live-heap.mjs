/**
 * Loaded into each process of a soak, and so into its threads: tells what full collections leave on their JavaScript
 * heaps. That is what is kept on purpose or by mistake; RSS alone also has garbage and what the allocator holds back.
 */
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { isMainThread, threadId } from 'node:worker_threads';

const MAJOR = constants.NODE_PERFORMANCE_GC_MAJOR;
/** @type {Map<number, number>} Bytes by thread. */
const heaps = new Map();
const threads = new BroadcastChannel('live-heap');

/** @param {{ thread: number, bytes: number }} heap */
function note({ thread, bytes }) {
  heaps.set(thread, bytes);
  const liveHeapBytes = [...heaps.values()].reduce((sum, each) => sum + each, 0);
  if (process.connected) process.send?.({ liveHeapBytes });
}

if (isMainThread) threads.addEventListener('message', ({ data }) => note(data));
threads.unref();
new PerformanceObserver((list) => {
  if (!list.getEntries().some(({ detail }) => Object(detail).kind === MAJOR)) return;
  const heap = { thread: threadId, bytes: getHeapStatistics().used_heap_size };
  if (isMainThread) note(heap);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel has none
  else threads.postMessage(heap);
}).observe({ entryTypes: ['gc'] });
