/** Where a request comes from: as told by the hops that are trusted, and by nobody else. */
import type { IncomingMessage } from 'node:http';
import { canonicalAddress, membershipOf, networkOf } from '../../platform/addresses.ts';

export type Client = {
  /** In its canonical spelling; `unknown` when the connection is gone already. */
  readonly address: string;
  /** What limits are counted by: the address, of IPv6 its /64. */
  readonly network: string;
};

export type ClientOf = (request: IncomingMessage) => Client;

const UNKNOWN: Client = { address: 'unknown', network: 'unknown' };

/**
 * Walks `X-Forwarded-For` from its end, where the hop nearest to us wrote, for as long as the writer is trusted. Without
 * trusted proxies the header counts for nothing: anybody can send one.
 */
export function clientsBehind(trustedProxies: readonly string[]): ClientOf {
  const isTrusted = membershipOf(trustedProxies);
  return (request) => {
    const peer = canonicalAddress(request.socket.remoteAddress ?? '');
    if (peer === null) return UNKNOWN;
    let client = peer;
    for (const entry of forwardedFor(request).toReversed()) {
      if (!isTrusted(client)) break;
      const said = canonicalAddress(withoutPort(entry));
      // A trusted hop that does not know leaves us with itself: beyond it anything may have been made up.
      if (said === null) break;
      client = said;
    }
    return { address: client, network: networkOf(client) };
  };
}

/** Of several header lines one list, in order (RFC 9110, section 5.3). */
function forwardedFor({ headersDistinct }: IncomingMessage): string[] {
  return (headersDistinct['x-forwarded-for'] ?? []).flatMap((line) => line.split(',')).map((it) => it.trim());
}

/** Some proxies write `192.0.2.1:4711` and `[2001:db8::1]:4711`. */
function withoutPort(entry: string): string {
  const match = /^(?:\[([^\]]+)\]|(\d+\.\d+\.\d+\.\d+))(?::\d{1,5})?$/.exec(entry);
  return match?.[1] ?? match?.[2] ?? entry;
}
