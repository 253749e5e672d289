import { CALM, mergeDials } from './dials.ts';
import type { Dials } from './dials.ts';
import { createFaults } from './faults.ts';
import type { Faults } from './faults.ts';
import { openLedger } from './ledger.ts';
import type { Ledger } from './ledger.ts';
import type { LedgerLine } from './records.ts';
import { createStore } from './store.ts';
import type { Store } from './store.ts';
import { createWebhooks } from './webhooks.ts';
import type { Webhooks, WebhookTarget } from './webhooks.ts';

export type SimulatorOptions = {
  readonly ledgerPath: string;
  readonly secretKey: string;
  readonly webhook: WebhookTarget | null;
  /** Parsed JSON, merged over a calm provider. */
  readonly dials: unknown;
  readonly seed: number;
};

export type Simulator = {
  readonly secretKey: string;
  readonly livemode: boolean;
  readonly store: Store;
  readonly ledger: Ledger;
  readonly faults: Faults;
  readonly webhooks: Webhooks;
  readonly keysInUse: Set<string>;
  dials(): Dials;
  turn(change: unknown): Dials;
  reset(): Dials;
  /** Writes a line, then lets it be true. */
  commit(line: LedgerLine): void;
  /** Told every line once it is true. */
  watch(told: (line: LedgerLine) => void): void;
  close(): void;
};

/** State from the ledger, undelivered webhooks on their way again; nothing listens yet. */
export function createSimulator(options: SimulatorOptions): Simulator {
  const store = createStore();
  const ledger = openLedger(options.ledgerPath, (line, ref) => store.apply(line, ref));
  const initial = mergeDials(CALM, options.dials);
  let dials = initial;
  const faults = createFaults(options.seed, () => dials);
  const watchers: ((line: LedgerLine) => void)[] = [];
  const commit = (line: LedgerLine): void => {
    store.apply(line, ledger.append(line));
    for (const told of watchers) told(line);
  };
  const webhooks = createWebhooks({
    faults,
    initialTarget: options.webhook,
    settle: (settled) => commit({ settled }),
  });

  for (const [eventId, { call, ref }] of store.unsettled) {
    const event = ledger.read(ref).events?.find((candidate) => candidate.id === eventId);
    if (event) webhooks.resume(eventId, call, JSON.stringify(event.body));
  }

  return {
    secretKey: options.secretKey,
    livemode: options.secretKey.startsWith('sk_live_'),
    store,
    ledger,
    faults,
    webhooks,
    keysInUse: new Set(),
    dials: () => dials,
    turn: (change) => {
      dials = mergeDials(dials, change);
      return dials;
    },
    reset: () => {
      dials = initial;
      faults.disarm();
      return dials;
    },
    commit,
    watch: (told) => void watchers.push(told),
    close: () => {
      webhooks.close();
      ledger.close();
    },
  };
}
