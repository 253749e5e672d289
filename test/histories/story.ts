/** What happened in a recorded history, in the order in which the workflow learnt of it: one short line for each thing. */
import { z } from 'zod';

const payload = z.looseObject({ data: z.string().optional() });
const payloads = z.looseObject({ payloads: z.array(payload).optional() });
const failure: z.ZodType<Failure> = z.lazy(() =>
  z.looseObject({
    applicationFailureInfo: z.looseObject({ type: z.string().optional() }).optional(),
    cause: failure.optional(),
  }),
);
type Failure = {
  applicationFailureInfo?: { type?: string | undefined } | undefined;
  cause?: Failure | undefined;
};

const event = z.looseObject({
  eventId: z.string(),
  eventType: z.string(),
  workflowExecutionStartedEventAttributes: z
    .looseObject({ workflowType: z.looseObject({ name: z.string() }) })
    .optional(),
  workflowExecutionSignaledEventAttributes: z.looseObject({ signalName: z.string() }).optional(),
  activityTaskScheduledEventAttributes: z
    .looseObject({ activityType: z.looseObject({ name: z.string() }) })
    .optional(),
  activityTaskCompletedEventAttributes: z
    .looseObject({ scheduledEventId: z.string(), result: payloads.optional() })
    .optional(),
  activityTaskFailedEventAttributes: z
    .looseObject({ scheduledEventId: z.string(), failure: failure.optional() })
    .optional(),
  activityTaskTimedOutEventAttributes: z.looseObject({ scheduledEventId: z.string() }).optional(),
  activityTaskCanceledEventAttributes: z.looseObject({ scheduledEventId: z.string() }).optional(),
  markerRecordedEventAttributes: z
    .looseObject({
      markerName: z.string(),
      details: z.record(z.string(), payloads).optional(),
      failure: failure.optional(),
    })
    .optional(),
  workflowExecutionCompletedEventAttributes: z.looseObject({ result: payloads.optional() }).optional(),
  workflowExecutionFailedEventAttributes: z.looseObject({ failure: failure.optional() }).optional(),
});

const history = z.looseObject({ events: z.array(event) });
type Event = z.infer<typeof event>;

export type Story = { readonly workflow: string; readonly lines: readonly string[] };

/** `recorded` is a history in Temporal's own JSON, as its UI and its CLI write it. */
export function storyOf(recorded: unknown): Story {
  const { events } = history.parse(recorded);
  const steps = new Map<string, string>();
  const lines: string[] = [];
  for (const it of events) {
    const scheduled = it.activityTaskScheduledEventAttributes;
    if (scheduled !== undefined) steps.set(it.eventId, scheduled.activityType.name);
    const line = lineOf(it, (id) => steps.get(id) ?? 'unknown step');
    if (line !== null) lines.push(line);
  }
  const workflow = events[0]?.workflowExecutionStartedEventAttributes?.workflowType.name;
  if (workflow === undefined) throw new Error('the history does not begin with a start');
  return { workflow, lines };
}

/** Null for what only the machinery needs. */
function lineOf(it: Event, stepOf: (scheduledEventId: string) => string): string | null {
  const signaled = it.workflowExecutionSignaledEventAttributes;
  if (signaled !== undefined) return `signal ${signaled.signalName}`;
  const answered = it.activityTaskCompletedEventAttributes;
  if (answered !== undefined) return `${stepOf(answered.scheduledEventId)}${said(answered.result)}`;
  const failed = it.activityTaskFailedEventAttributes;
  if (failed !== undefined) return `${stepOf(failed.scheduledEventId)} fails: ${typeOf(failed.failure)}`;
  const late = it.activityTaskTimedOutEventAttributes;
  if (late !== undefined) return `${stepOf(late.scheduledEventId)} times out`;
  const dropped = it.activityTaskCanceledEventAttributes;
  if (dropped !== undefined) return `${stepOf(dropped.scheduledEventId)} is cancelled`;
  const marker = it.markerRecordedEventAttributes;
  if (marker?.markerName === 'core_local_activity') {
    const { activity_type: type } = z
      .object({ activity_type: z.string() })
      .parse(read(marker.details?.['data']));
    return `${type}, local${marker.failure === undefined ? said(marker.details?.['result']) : ` fails: ${typeOf(marker.failure)}`}`;
  }
  const completed = it.workflowExecutionCompletedEventAttributes;
  if (completed !== undefined) return `ends${said(completed.result)}`;
  const ended = it.workflowExecutionFailedEventAttributes;
  if (ended !== undefined) return `fails visibly: ${typeOf(ended.failure)}`;
  if (it.eventType === 'EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED') return 'cancel requested';
  if (it.eventType === 'EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW') return 'continues as new';
  return it.eventType === 'EVENT_TYPE_TIMER_FIRED' ? 'timer' : null;
}

/** An answer in a word: a payment's status, a kind, true, false, null; nothing where it has none. */
function said(result: z.infer<typeof payloads> | undefined): string {
  const value = read(result);
  if (value === undefined) return '';
  if (typeof value !== 'object' || value === null) return `: ${JSON.stringify(value)}`;
  const { data } = z
    .looseObject({ status: z.string().optional(), kind: z.string().optional() })
    .safeParse(value);
  const word = data?.status ?? data?.kind;
  return word === undefined ? '' : `: ${word}`;
}

function read(from: z.infer<typeof payloads> | undefined): unknown {
  const data = from?.payloads?.[0]?.data;
  return data === undefined || data === '' ? undefined : JSON.parse(Buffer.from(data, 'base64').toString());
}

/** The failure's own type, below what Temporal wraps it in. */
function typeOf(it: Failure | undefined): string {
  const own = it?.applicationFailureInfo?.type;
  if (own !== undefined && own !== '') return own;
  return it?.cause === undefined ? 'unknown' : typeOf(it.cause);
}

/** Whether a story has these lines, in this order, whatever is between them. */
export function tells(shows: readonly string[]): (lines: readonly string[]) => boolean {
  return (lines) => {
    let next = 0;
    for (const line of lines) if (line === shows[next]) next += 1;
    return next === shows.length;
  };
}
