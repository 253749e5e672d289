/** The relays between the payments database and Temporal: the provider's events, and what was decided about a payment. */
import type { Pool } from 'pg';
import { startRelay, type Relay } from '../../platform/relay.ts';
import type { PaymentProvider } from '../../provider/port.ts';
import { relayOptions, type RelaySettings } from '../relay-settings.ts';
import { deliverPaymentCommand, PAYMENT_COMMANDS_TABLE, type PaymentCommandRow } from './deliver-commands.ts';
import { deliverEvent, WEBHOOK_EVENTS_TABLE, type WebhookEventRow } from './deliver-events.ts';

export type PaymentRelays = {
  readonly events: Relay;
  readonly commands: Relay;
  readonly stop: () => Promise<void>;
};

export function startPaymentRelays(
  settings: RelaySettings & {
    readonly pool: Pool;
    readonly provider: PaymentProvider;
    /** Of the payment provider's account. */
    readonly livemode: boolean;
  },
): PaymentRelays {
  const { pool, temporal, queues, policy, provider, livemode, failpoint } = settings;
  const shared = { ...relayOptions(settings), pool };
  const aftercare = { temporal: temporal.client, queues, policy, pool };
  const events = startRelay<WebhookEventRow>({
    ...shared,
    table: WEBHOOK_EVENTS_TABLE,
    deliver: deliverEvent({
      ...aftercare,
      provider,
      quietAfterOperationMs: policy.quietAfterOperationMs,
      livemode,
      failpoint,
    }),
  });
  const commands = startRelay<PaymentCommandRow>({
    ...shared,
    table: PAYMENT_COMMANDS_TABLE,
    deliver: deliverPaymentCommand(aftercare),
  });
  return {
    events,
    commands,
    stop: async () => {
      await Promise.all([events.stop(), commands.stop()]);
    },
  };
}
