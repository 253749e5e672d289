import type { Service } from '../platform/databases.ts';

/** Everything the platform's processes have to know, once every component has been found. */
export type PlatformAddresses = {
  readonly namePrefix: string;
  readonly databaseUrls: Readonly<Record<Service, string>>;
  readonly redisUrl: string | undefined;
  readonly rabbitmqUrl: string | undefined;
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  readonly stripeApiBase: string;
  readonly stripeSecretKey: string;
  readonly stripeWebhookSecrets: string;
  readonly authSecret: string;
};

/** The variables that `platform/config.ts` reads; what is undefined is left out. */
export function platformEnvironment(addresses: PlatformAddresses): Record<string, string> {
  const variables: Record<string, string | undefined> = {
    NAME_PREFIX: addresses.namePrefix,
    REDIS_URL: addresses.redisUrl,
    RABBITMQ_URL: addresses.rabbitmqUrl,
    TEMPORAL_ADDRESS: addresses.temporalAddress,
    TEMPORAL_NAMESPACE: addresses.temporalNamespace,
    STRIPE_API_BASE: addresses.stripeApiBase,
    STRIPE_SECRET_KEY: addresses.stripeSecretKey,
    STRIPE_WEBHOOK_SECRETS: addresses.stripeWebhookSecrets,
    AUTH_SECRET: addresses.authSecret,
  };
  for (const [service, url] of Object.entries(addresses.databaseUrls))
    variables[`${service.toUpperCase()}_DATABASE_URL`] = url;
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries(variables)) if (value !== undefined) given[name] = value;
  return given;
}
