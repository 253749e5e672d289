/** The relays between the donations database and Temporal: workflows to start, and to tell of a cancel. */
import type { Pool } from 'pg';
import type { Placement } from '../../domain/donation.ts';
import { startRelay, type Relay } from '../../platform/relay.ts';
import { relayOptions, type RelaySettings } from '../relay-settings.ts';
import {
  deliverDonationCommand,
  DONATION_COMMANDS_TABLE,
  type DonationCommandRow,
} from './deliver-commands.ts';
import { REQUESTS_TABLE, startDonationWorkflow, type RequestRow } from './start-workflows.ts';

export type DonationRelays = {
  readonly starts: Relay;
  readonly commands: Relay;
  readonly stop: () => Promise<void>;
};

export function startDonationRelays(
  settings: RelaySettings & { readonly pool: Pool; readonly placement: Placement },
): DonationRelays {
  const { pool, temporal, queues, placement, policy, failpoint } = settings;
  const shared = { ...relayOptions(settings), pool };
  const starts = startRelay<RequestRow>({
    ...shared,
    table: REQUESTS_TABLE,
    deliver: startDonationWorkflow({ temporal: temporal.client, queues, placement, policy, failpoint }),
  });
  const commands = startRelay<DonationCommandRow>({
    ...shared,
    table: DONATION_COMMANDS_TABLE,
    deliver: deliverDonationCommand(pool, temporal.client),
  });
  return {
    starts,
    commands,
    stop: async () => {
      await Promise.all([starts.stop(), commands.stop()]);
    },
  };
}
