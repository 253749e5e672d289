/** A history as it may leave the machine that recorded it: replay reads the same in it, and nothing in it names its maker. */
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { History } from '@temporalio/common/lib/proto-utils.js';

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

const INSTALLATION = 'careforall';

/** One event a line, so that git and a reader see which have changed. */
export function portable(history: History): string {
  const { events } = JSON.parse(historyToJSON(history)) as { events: Json[] };
  const rename = renamer(prefixOf(events[0]));
  const lines = events.map((event) => JSON.stringify(withoutMaker(event, rename)));
  return `{"events":[\n${lines.join(',\n')}\n]}\n`;
}

/**
 * What replay does not read: who it was (process, host, build), the server's own book-keeping, files of the recorder, and
 * what is the same in every step.
 */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'identity',
  'workerVersion',
  'binaryChecksum',
  'stackTrace',
  'taskId',
  'requestId',
  'retryPolicy',
  'scheduleToCloseTimeout',
  'scheduleToStartTimeout',
  'startToCloseTimeout',
]);

function withoutMaker(value: Json, rename: (text: string) => string): Json {
  if (typeof value === 'string') return rename(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => withoutMaker(item, rename));
  const kept: Record<string, Json> = {};
  for (const [key, item] of Object.entries(value)) {
    if (LEFT_OUT.has(key) || (key === 'taskQueue' && isOfOneProcess(item))) continue;
    if (key === 'data' && typeof item === 'string') kept[key] = renamedPayload(item, rename);
    else kept[key] = withoutMaker(item, rename);
  }
  // Tracing, for the activity's worker alone.
  if ('activityId' in kept) delete kept['header'];
  return kept;
}

/** A queue that a worker keeps to itself, named after it. */
function isOfOneProcess(queue: Json): boolean {
  return JSON.stringify(queue).includes('TASK_QUEUE_KIND_STICKY');
}

function renamedPayload(base64: string, rename: (text: string) => string): string {
  const bytes = Buffer.from(base64, 'base64');
  const text = bytes.toString();
  const renamed = rename(text);
  return renamed === text ? base64 : Buffer.from(renamed).toString('base64');
}

/** The queues of the run that recorded it are told by their names, in the input as well. */
function prefixOf(started: Json | undefined): string {
  const queue = /"taskQueue":\{"name":"([^"]+)-donations"/.exec(JSON.stringify(started))?.[1];
  if (queue === undefined) throw new Error('the history does not begin with a start on the donations queue');
  return queue;
}

function renamer(prefix: string): (text: string) => string {
  return (text) => text.replaceAll(prefix, INSTALLATION);
}
