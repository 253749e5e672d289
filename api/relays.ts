/** The relays between the databases and Temporal: in the process that writes the rows, and in the sweeper. */
import type { Client } from '@temporalio/client';
import type { Pool } from 'pg';
import type { Placement } from '../domain/donation.ts';
import type { Breaker } from '../platform/breaker.ts';
import type { Policy } from '../platform/config.ts';
import type { Failpoint } from '../platform/failpoint.ts';
import type { Logger } from '../platform/log.ts';
import { startRelay, type Relay } from '../platform/relay.ts';
import type { PaymentProvider } from '../provider/port.ts';
import type { Queues } from '../workflows/messages.ts';
import {
  deliverDonationCommand,
  DONATION_COMMANDS_TABLE,
  type DonationCommandRow,
} from './donations/deliver-commands.ts';
import { REQUESTS_TABLE, startDonationWorkflow, type RequestRow } from './donations/start-workflows.ts';
import {
  deliverPaymentCommand,
  PAYMENT_COMMANDS_TABLE,
  type PaymentCommandRow,
} from './payments/deliver-commands.ts';
import { deliverEvent, WEBHOOK_EVENTS_TABLE, type WebhookEventRow } from './payments/deliver-events.ts';

export type WorkflowRelays = {
  readonly starts: Relay;
  readonly events: Relay;
  readonly donationCommands: Relay;
  readonly paymentCommands: Relay;
  readonly stop: () => Promise<void>;
};

export function startWorkflowRelays(options: {
  readonly donations: Pool;
  readonly payments: Pool;
  readonly temporal: { readonly client: Client; readonly breaker: Breaker };
  readonly provider: PaymentProvider;
  readonly queues: Queues;
  readonly placement: Placement;
  readonly policy: Policy;
  /** Of the payment provider's account. */
  readonly livemode: boolean;
  readonly failpoint: Failpoint;
  readonly log: Logger;
  readonly concurrency: number;
  readonly minOverdueMs?: number;
}): WorkflowRelays {
  const { donations, payments, temporal, provider, queues, placement, policy, failpoint } = options;
  const { log, concurrency, minOverdueMs = 0 } = options;
  const { client, breaker: receiver } = temporal;
  const shared = { log, concurrency, leaseMs: policy.leaseMs, pollMs: POLL_MS, minOverdueMs, receiver };
  const aftercare = { temporal: client, queues, policy };

  const starts = startRelay<RequestRow>({
    ...shared,
    pool: donations,
    table: REQUESTS_TABLE,
    deliver: startDonationWorkflow({ temporal: client, queues, placement, policy, failpoint }),
  });
  const events = startRelay<WebhookEventRow>({
    ...shared,
    pool: payments,
    table: WEBHOOK_EVENTS_TABLE,
    deliver: deliverEvent({
      ...aftercare,
      pool: payments,
      provider,
      quietAfterOperationMs: policy.quietAfterOperationMs,
      livemode: options.livemode,
      failpoint,
    }),
  });
  const donationCommands = startRelay<DonationCommandRow>({
    ...shared,
    pool: donations,
    table: DONATION_COMMANDS_TABLE,
    deliver: deliverDonationCommand(donations, client),
  });
  const paymentCommands = startRelay<PaymentCommandRow>({
    ...shared,
    pool: payments,
    table: PAYMENT_COMMANDS_TABLE,
    deliver: deliverPaymentCommand({ ...aftercare, pool: payments }),
  });
  const all = [starts, events, donationCommands, paymentCommands];
  return {
    starts,
    events,
    donationCommands,
    paymentCommands,
    stop: async () => {
      await Promise.all(all.map((relay) => relay.stop()));
    },
  };
}

const POLL_MS = 1_000;
