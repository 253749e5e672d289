import { z } from 'zod';
import { startSimulator } from './server.ts';

/** A provider in a process of its own: it speaks Stripe's API, keeps a ledger, and can be told to misbehave. */

const environment = z
  .object({
    SIMULATOR_HOST: z.string().default('127.0.0.1'),
    SIMULATOR_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
    SIMULATOR_LEDGER: z.string().min(1).default('.careforall/simulator-ledger.jsonl'),
    SIMULATOR_SECRET_KEY: z.string().min(1).default('sk_test_simulator'),
    SIMULATOR_WEBHOOK_URL: z.union([z.literal(''), z.url()]).default(''),
    SIMULATOR_WEBHOOK_SECRET: z.string().min(1).default('whsec_simulator'),
    SIMULATOR_WEBHOOK_EVENTS: z.string().default(''),
    SIMULATOR_DIALS: z.string().default('{}'),
    SIMULATOR_SEED: z.coerce.number().int().default(1),
  })
  // A program of its own, which shares no code with the platform: its settings are read here and nowhere else.
  // oxlint-disable-next-line node/no-process-env
  .parse(process.env);

const log = (message: string, fields: Record<string, unknown> = {}): void => {
  process.stdout.write(
    `${JSON.stringify({ level: 30, time: Date.now(), name: 'simulator', ...fields, msg: message })}\n`,
  );
};

const simulator = await startSimulator({
  host: environment.SIMULATOR_HOST,
  port: environment.SIMULATOR_PORT,
  ledgerPath: environment.SIMULATOR_LEDGER,
  secretKey: environment.SIMULATOR_SECRET_KEY,
  webhook:
    environment.SIMULATOR_WEBHOOK_URL === ''
      ? null
      : {
          url: environment.SIMULATOR_WEBHOOK_URL,
          secret: environment.SIMULATOR_WEBHOOK_SECRET,
          types: environment.SIMULATOR_WEBHOOK_EVENTS.split(',').filter((type) => type !== ''),
        },
  dials: JSON.parse(environment.SIMULATOR_DIALS),
  seed: environment.SIMULATOR_SEED,
});

let stopping = false;
const stop = (reason: string): void => {
  if (stopping) return;
  stopping = true;
  log('stopping', { reason });
  void simulator.close().then(() => {
    // An open IPC channel would keep the process alive.
    if (process.connected) process.disconnect();
  });
};
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
process.on('disconnect', () => stop('disconnect'));

log('ready', { port: simulator.port, ledger: environment.SIMULATOR_LEDGER });
process.send?.({ ready: true, port: simulator.port });
