import type { PlatformAddresses } from '../../launch/platform-environment.ts';
import type { Service } from '../../platform/migrate.ts';
import { startProxy, targetOf, through, type Proxy } from './proxy.ts';

/** `webhooks` is the provider's way to our API, the others are our processes' ways out. */
export type LinkName = 'postgres' | 'redis' | 'rabbitmq' | 'temporal' | 'provider' | 'webhooks';

export type Links = {
  /** Throws when the stack was not started with that link. */
  get(name: LinkName): Proxy;
};

type OpenedLinks = {
  readonly links: Links;
  /** The addresses as the processes are to see them. */
  readonly addresses: PlatformAddresses;
  readonly webhookUrl: string;
  readonly close: () => Promise<void>;
};

/** Puts a proxy into each of the named links. */
export async function openLinks(
  names: readonly LinkName[],
  direct: PlatformAddresses,
  webhookUrl: string,
): Promise<OpenedLinks> {
  const proxies = new Map<LinkName, Proxy>();
  const reroute = async (
    name: LinkName,
    url: string | undefined,
    usualPort: number,
  ): Promise<string | undefined> => {
    if (!names.includes(name)) return url;
    if (url === undefined) throw new Error(`there is no ${name} here whose link could be broken`);
    const proxy = proxies.get(name) ?? (await startProxy(targetOf(url, usualPort)));
    proxies.set(name, proxy);
    return through(url, proxy);
  };
  const required = async (name: LinkName, url: string, usualPort: number): Promise<string> =>
    (await reroute(name, url, usualPort)) ?? url;

  // All databases are on one server, so one link leads to them.
  const databaseUrls: Record<Service, string> = { ...direct.databaseUrls };
  for (const [service, url] of Object.entries(direct.databaseUrls) as [Service, string][]) {
    databaseUrls[service] = await required('postgres', url, 5432);
  }
  const temporal = await required('temporal', `tcp://${direct.temporalAddress}`, 7233);
  const addresses: PlatformAddresses = {
    ...direct,
    databaseUrls,
    redisUrl: await reroute('redis', direct.redisUrl, 6379),
    rabbitmqUrl: await reroute('rabbitmq', direct.rabbitmqUrl, 5672),
    temporalAddress: temporal.replace('tcp://', ''),
    // A URL without a path gains a slash, which the provider's library would double.
    stripeApiBase: (await required('provider', direct.stripeApiBase, 80)).replace(/\/$/, ''),
  };
  return {
    addresses,
    webhookUrl: await required('webhooks', webhookUrl, 80),
    links: {
      get(name) {
        const proxy = proxies.get(name);
        if (proxy === undefined)
          throw new Error(`start the stack with links: ['${name}'] to break that link`);
        return proxy;
      },
    },
    async close() {
      for (const proxy of proxies.values()) await proxy[Symbol.asyncDispose]();
    },
  };
}
