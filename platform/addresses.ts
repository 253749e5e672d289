/** IP addresses: one spelling for each, and lists of networks. */
import { BlockList, isIP, SocketAddress } from 'node:net';

const MAPPED = '::ffff:';

/**
 * The one spelling of an address (RFC 5952; an IPv4-mapped one as IPv4; no zone), or null for what is none. What only
 * some readers take for one (octal, hexadecimal or missing parts) is none.
 */
export function canonicalAddress(text: string): string | null {
  const version = isIP(text);
  if (version === 0) return null;
  if (version === 4) return text;
  const { address } = new SocketAddress({ address: text, family: 'ipv6' });
  const mapped = address.startsWith(MAPPED) ? address.slice(MAPPED.length) : '';
  return isIP(mapped) === 4 ? mapped : address;
}

/** Whom to count as one client: of IPv6, a provider gives each subscriber at least a /64 (RFC 6177), of IPv4 an address. */
export function networkOf(canonical: string): string {
  if (isIP(canonical) !== 6) return canonical;
  const [head = '', tail] = canonical.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...Array.from({ length: zeros }, () => '0'), ...after];
  return `${groups.slice(0, 4).join(':')}::/64`;
}

const NETWORK = /^([^/]+)(?:\/(\d{1,3}))?$/;

type Network = { readonly address: string; readonly family: 'ipv4' | 'ipv6'; readonly prefix: number };

/** An address or, with `/prefix`, a network; null for anything else. `/0` is everybody, which nobody means. */
function parseNetwork(text: string): Network | null {
  const [, address = '', prefix] = NETWORK.exec(text) ?? [];
  const version = isIP(address);
  if (version === 0) return null;
  const bits = version === 4 ? 32 : 128;
  const length = prefix === undefined ? bits : Number(prefix);
  return length < 1 || length > bits
    ? null
    : { address, family: version === 4 ? 'ipv4' : 'ipv6', prefix: length };
}

export function isNetwork(text: string): boolean {
  return parseNetwork(text) !== null;
}

/** Whether a canonical address is in one of the networks. Throws for what `isNetwork` refuses. */
export function membershipOf(networks: readonly string[]): (canonical: string) => boolean {
  const list = new BlockList();
  for (const text of networks) {
    const network = parseNetwork(text);
    if (network === null) throw new TypeError(`${text} is no address and no network`);
    list.addSubnet(network.address, network.prefix, network.family);
  }
  return (canonical) => list.check(canonical, isIP(canonical) === 6 ? 'ipv6' : 'ipv4');
}

export const isLoopback = membershipOf(['127.0.0.0/8', '::1']);
