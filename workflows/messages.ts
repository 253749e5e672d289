/** Names shared by the workflows and those who start or signal them. */
import { defineSignal } from '@temporalio/workflow';
import type { DonationPolicy, Placement } from '../domain/donation.ts';
import type { PaymentOrder } from './ports.ts';

/** A stored provider event that may prove something new. Carries the id alone: the object is fetched. */
export const providerEventSignal = defineSignal<[eventId: string]>('providerEvent');

export type AftercareInput = {
  readonly order: PaymentOrder;
  readonly placement: Placement;
  readonly policy: DonationPolicy;
  readonly queues: Queues;
};

/** Task queues by service; `donations` runs the workflows. */
export type Queues = { readonly donations: string; readonly payments: string; readonly campaigns: string };
