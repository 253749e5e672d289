/** Names shared by the workflows and those who start or signal them. */
import { defineSignal } from '@temporalio/workflow';
import type { DonationPolicy } from '../domain/donation.ts';
import type { ReconciliationKind, ReconciliationPolicy } from '../domain/reconciliation.ts';
import type { PaymentOrder, ReconciliationRun, RunCounts } from './ports.ts';

/** A stored provider event that may prove something new. Carries the id alone: the object is fetched. */
export const providerEventSignal = defineSignal<[eventId: string]>('providerEvent');

/** The donor's cancel has won over the capture; it is written down already. */
export const cancelSignal = defineSignal('cancelDonation');

/** There may be something new at the provider: ask for all of it. */
export const lookSignal = defineSignal('look');

/** Something was written down that has to be done: a refund. */
export const workSignal = defineSignal('work');

export type AftercareInput = {
  readonly order: PaymentOrder;
  readonly policy: DonationPolicy;
  readonly queues: Queues;
};

/** Task queues by service; `donations` runs the workflows. */
export type Queues = { readonly donations: string; readonly payments: string; readonly campaigns: string };

export type ReconciliationInput = {
  readonly kind: ReconciliationKind;
  readonly dryRun: boolean;
  /** How far back; null for what the kind says. */
  readonly sinceMs: number | null;
  /** While another run is at work: wait for it, or end at once and say so. */
  readonly whenBusy: 'wait' | 'say';
  readonly policy: ReconciliationPolicy;
  readonly queues: Queues;
  /** Where the run before this one, of the same chain, has left off. */
  readonly resume?: {
    readonly run: ReconciliationRun;
    readonly cursor: string;
    readonly examined: number;
  };
};

export type ReconciliationResult =
  | { readonly status: 'finished'; readonly runId: string; readonly counts: RunCounts }
  | { readonly status: 'busy'; readonly runId: string };
