import type { LaunchOptions } from '../options.ts';
import { freePort, LOOPBACK } from '../ports.ts';
import type { Secrets } from '../secrets.ts';
import { ComponentMissing } from './component.ts';

const PREFERRED_SIMULATOR_PORT = 12_111;

export type Provider = {
  readonly apiBase: string;
  readonly secretKey: string;
  readonly webhookSecrets: string;
  readonly how: string;
  /** Present when the simulator has to be started: its environment. */
  readonly simulator?: Readonly<Record<string, string>>;
};

/** The provider given by environment, all three variables or none, else the simulator. */
export async function findProvider(
  options: LaunchOptions,
  secrets: Secrets,
  simulator: { ledger: string; webhookUrl: string },
): Promise<Provider> {
  const given = {
    STRIPE_API_BASE: options.stripeApiBase,
    STRIPE_SECRET_KEY: options.stripeSecretKey,
    STRIPE_WEBHOOK_SECRETS: options.stripeWebhookSecrets,
  };
  const {
    stripeApiBase: apiBase,
    stripeSecretKey: secretKey,
    stripeWebhookSecrets: webhookSecrets,
  } = options;
  if (apiBase !== undefined && secretKey !== undefined && webhookSecrets !== undefined) {
    return { apiBase, secretKey, webhookSecrets, how: `Payment provider at ${apiBase} from STRIPE_API_BASE` };
  }
  const missing = Object.entries(given).filter(([, value]) => value === undefined);
  if (missing.length < Object.keys(given).length) {
    const names = missing.map(([name]) => name).join(' and ');
    throw new ComponentMissing(
      `${names} ${missing.length === 1 ? 'is' : 'are'} missing: a payment provider needs STRIPE_API_BASE, STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRETS together; without all three the simulator is used.`,
    );
  }
  const port = await freePort(PREFERRED_SIMULATOR_PORT);
  return {
    apiBase: `http://${LOOPBACK}:${port}`,
    secretKey: secrets.providerSecretKey,
    webhookSecrets: secrets.webhookSecret,
    how: `Payment provider simulator at http://${LOOPBACK}:${port} (no real money)`,
    simulator: {
      SIMULATOR_HOST: LOOPBACK,
      SIMULATOR_PORT: String(port),
      SIMULATOR_LEDGER: simulator.ledger,
      SIMULATOR_WEBHOOK_URL: simulator.webhookUrl,
      SIMULATOR_WEBHOOK_SECRET: secrets.webhookSecret,
      SIMULATOR_SECRET_KEY: secrets.providerSecretKey,
    },
  };
}
