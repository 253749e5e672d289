/** Temporal's history of a workflow as happenings: local activities by their names, attempts, signals, timers, the end. */
import { WorkflowNotFoundError, type Client, type WorkflowHandle } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { z } from 'zod';
import type { Happening } from './timeline.ts';

type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;
type HistoryEvent = NonNullable<History['events']>[number];
type Payloads =
  | { readonly payloads?: readonly Parameters<typeof defaultPayloadConverter.fromPayload>[0][] | null }
  | null
  | undefined;
type Failure = {
  readonly message?: string | null;
  readonly cause?: Failure | null;
  readonly applicationFailureInfo?: { readonly type?: string | null } | null;
};
type ProtoTime = { readonly seconds?: unknown; readonly nanos?: number | null } | null | undefined;

export type WorkflowHistory = { readonly status: string; readonly happenings: readonly Happening[] };

/** Null when Temporal does not know the workflow (any more). */
export async function readHistory(
  client: Client,
  workflowId: string,
  source: 'workflow' | 'aftercare',
): Promise<WorkflowHistory | null> {
  const handle = client.workflow.getHandle(workflowId);
  try {
    const description = await handle.describe();
    const history = await handle.fetchHistory();
    const pending = (description.raw.pendingActivities ?? []).map((it): Happening => ({
      at: dateOf(it.lastStartedTime ?? it.scheduledTime),
      source,
      what: `${it.activityType?.name ?? 'activity'} pending, attempt ${it.attempt ?? 1}${it.lastFailure == null ? '' : `, last failure: ${messageOf(it.lastFailure)}`}`,
      ...((it.attempt ?? 1) > 1 ? { trouble: true as const } : {}),
    }));
    return { status: description.status.name, happenings: [...happeningsOf(history, source), ...pending] };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}

export function happeningsOf(history: History, source: 'workflow' | 'aftercare'): Happening[] {
  const names = new Map<string, string>();
  return (history.events ?? []).flatMap((event) => {
    const told = tell(event, names);
    if (told === null) return [];
    const { at = dateOf(event.eventTime), what, trouble = false } = told;
    return [{ at, source, what, ...(trouble ? { trouble: true as const } : {}) }];
  });
}

type Told = { readonly what: string; readonly at?: Date; readonly trouble?: boolean } | null;

/** The event's kind is told by which attributes it has; workflow tasks that went well are left out. */
function tell(event: HistoryEvent, names: Map<string, string>): Told {
  const nameOf = (scheduledEventId: unknown): string => names.get(String(scheduledEventId)) ?? 'activity';
  if (event.workflowExecutionStartedEventAttributes) {
    const { attempt, continuedExecutionRunId } = event.workflowExecutionStartedEventAttributes;
    return {
      what: `started${(attempt ?? 1) > 1 ? `, attempt ${attempt ?? 1}` : ''}${continuedExecutionRunId ? ' (continued)' : ''}`,
    };
  }
  if (event.activityTaskScheduledEventAttributes) {
    const name = event.activityTaskScheduledEventAttributes.activityType?.name ?? 'activity';
    names.set(String(event.eventId), name);
    return {
      what: `${name} scheduled on ${event.activityTaskScheduledEventAttributes.taskQueue?.name ?? 'its queue'}`,
    };
  }
  if (event.activityTaskStartedEventAttributes) {
    const { attempt, lastFailure, scheduledEventId } = event.activityTaskStartedEventAttributes;
    const again = (attempt ?? 1) > 1;
    return {
      what: `${nameOf(scheduledEventId)} started, attempt ${attempt ?? 1}${again ? `, before it: ${messageOf(lastFailure)}` : ''}`,
      trouble: again,
    };
  }
  if (event.activityTaskCompletedEventAttributes) {
    const { scheduledEventId, result } = event.activityTaskCompletedEventAttributes;
    return { what: `${nameOf(scheduledEventId)} done${shown(result)}` };
  }
  if (event.activityTaskFailedEventAttributes) {
    const { scheduledEventId, failure } = event.activityTaskFailedEventAttributes;
    return { what: `${nameOf(scheduledEventId)} failed: ${messageOf(failure)}`, trouble: true };
  }
  if (event.activityTaskTimedOutEventAttributes)
    return {
      what: `${nameOf(event.activityTaskTimedOutEventAttributes.scheduledEventId)} timed out`,
      trouble: true,
    };
  if (event.activityTaskCanceledEventAttributes)
    return { what: `${nameOf(event.activityTaskCanceledEventAttributes.scheduledEventId)} cancelled` };
  if (event.markerRecordedEventAttributes) return tellMarker(event.markerRecordedEventAttributes);
  if (event.workflowExecutionSignaledEventAttributes) {
    const { signalName, input } = event.workflowExecutionSignaledEventAttributes;
    return { what: `signal ${signalName ?? ''}${shown(input)}` };
  }
  if (event.timerStartedEventAttributes)
    return { what: `waits for up to ${secondsOf(event.timerStartedEventAttributes.startToFireTimeout)} s` };
  if (event.timerFiredEventAttributes) return { what: 'the wait is over', trouble: true };
  if (event.workflowTaskFailedEventAttributes)
    return {
      what: `workflow task failed: ${messageOf(event.workflowTaskFailedEventAttributes.failure)}`,
      trouble: true,
    };
  if (event.workflowTaskTimedOutEventAttributes) return { what: 'workflow task timed out', trouble: true };
  if (event.workflowExecutionCancelRequestedEventAttributes)
    return { what: 'cancel requested', trouble: true };
  if (event.workflowExecutionCompletedEventAttributes)
    return { what: `completed${shown(event.workflowExecutionCompletedEventAttributes.result)}` };
  if (event.workflowExecutionFailedEventAttributes)
    return {
      what: `failed: ${messageOf(event.workflowExecutionFailedEventAttributes.failure)}`,
      trouble: true,
    };
  if (event.workflowExecutionTimedOutEventAttributes) return { what: 'timed out', trouble: true };
  if (event.workflowExecutionTerminatedEventAttributes)
    return {
      what: `terminated: ${event.workflowExecutionTerminatedEventAttributes.reason || 'no reason given'}`,
      trouble: true,
    };
  if (event.workflowExecutionCanceledEventAttributes) return { what: 'cancelled', trouble: true };
  return null;
}

/** As the SDK's core writes it. */
const localActivity = z.object({
  activity_type: z.string(),
  attempt: z.number().default(1),
  original_schedule_time: z.object({ seconds: z.number(), nanos: z.number() }).nullish(),
});

/** Local activities are written down when their workflow task ends; the marker knows when each really began. */
function tellMarker(marker: NonNullable<HistoryEvent['markerRecordedEventAttributes']>): Told {
  if (marker.markerName !== 'core_local_activity') return null;
  const about = localActivity.safeParse(decode(marker.details?.['data'])[0]);
  if (!about.success) return { what: 'a local activity that cannot be read' };
  const { activity_type: name, attempt, original_schedule_time: scheduled } = about.data;
  const failed = marker.failure != null;
  const outcome = failed
    ? `failed: ${messageOf(marker.failure)}`
    : shown(marker.details?.['result']).replace(/^: /, '') || 'done';
  return {
    what: `${name} (local) → ${outcome}${attempt > 1 ? `, attempt ${attempt}` : ''}`,
    ...(scheduled == null ? {} : { at: dateOf(scheduled) }),
    trouble: failed || attempt > 1,
  };
}

/** Of an answer, what a reader can take in at a glance. */
function shown(payloads: Payloads): string {
  const [value] = decode(payloads);
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return `: ${String(value)}`;
  if (typeof value !== 'object' || value === null) return '';
  const { status, version, failureCode } = value as {
    status?: unknown;
    version?: unknown;
    failureCode?: unknown;
  };
  if (typeof status !== 'string') return '';
  return `: ${status}${typeof version === 'number' ? ` v${version}` : ''}${typeof failureCode === 'string' ? ` (${failureCode})` : ''}`;
}

function decode(payloads: Payloads): unknown[] {
  return (payloads?.payloads ?? []).map((payload) => {
    try {
      return defaultPayloadConverter.fromPayload(payload);
    } catch {
      return undefined;
    }
  });
}

/** The innermost failure names the cause; the outer ones only say where it passed by. */
function messageOf(failure: Failure | null | undefined): string {
  if (failure == null) return 'unknown';
  if (failure.cause != null) return messageOf(failure.cause);
  const type = failure.applicationFailureInfo?.type;
  return `${type ? `${type}: ` : ''}${failure.message ?? 'no message'}`;
}

function secondsOf(time: ProtoTime): number {
  return Number(time?.seconds ?? 0) + (time?.nanos ?? 0) / 1e9;
}

function dateOf(time: ProtoTime): Date {
  return new Date(secondsOf(time) * 1_000);
}
