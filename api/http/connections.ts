/** How many connections there may be, and how long one may take to ask: a slow client must cost the others nothing. */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { canonicalAddress, membershipOf, networkOf } from '../../platform/addresses.ts';
import { limitSettings, type Limits } from '../../platform/limit-settings.ts';

export type ConnectionLimits = Limits['connections'] & {
  /** Peers that stand for many: proxies, and networks of our own. */
  readonly isMany: (address: string) => boolean;
};

export function connectionLimits(
  { connections, ownNetworks }: Pick<Limits, 'connections' | 'ownNetworks'>,
  trustedProxies: readonly string[],
): ConnectionLimits {
  return { ...connections, isMany: membershipOf([...ownNetworks, ...trustedProxies]) };
}

/** As long as nobody has set any. */
export const UNCHANGED = connectionLimits(limitSettings(true).parse({}), []);

/** How soon after its time a slow request is cut off. */
export const CHECKING_MS = 500;

/** Nginx reuses connections for up to 75 s; closing them earlier would turn into rare 502s. */
const KEEP_ALIVE_MS = 80_000;

export function limitConnections(server: Server, limits: ConnectionLimits): void {
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.headersTimeout = limits.headersTimeoutMs;
  server.requestTimeout = limits.requestTimeoutMs;
  server.maxConnections = limits.total;
  // One that asks for nothing right now gives its place to the next who comes.
  server.on('drop', () => server.closeIdleConnections());

  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const peer = canonicalAddress(socket.remoteAddress ?? '');
    if (peer === null || limits.isMany(peer)) return;
    const network = networkOf(peer);
    const count = (open.get(network) ?? 0) + 1;
    if (count > limits.perAddress) {
      socket.destroy();
      return;
    }
    open.set(network, count);
    socket.once('close', () => {
      const left = (open.get(network) ?? 1) - 1;
      if (left === 0) open.delete(network);
      else open.set(network, left);
    });
  });
}
