const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const UUID_BYTES = 16;

/** What we ask the provider to do; each has its own number series within a donation. */
export type Operation = 'create' | 'confirm' | 'capture' | 'release' | 'refund';

/**
 * The first 16 bytes as a UUID of version 8, for ids that are derived and not drawn (RFC 9562, section 5.8).
 * @throws RangeError when there are fewer than 16 bytes.
 */
export function uuidV8(bytes: Uint8Array): string {
  if (bytes.length < UUID_BYTES) throw new RangeError(`a UUID needs 16 bytes, not ${bytes.length}`);
  const octets = Array.from(bytes.subarray(0, UUID_BYTES), (byte, index) => {
    if (index === 6) return (byte & 0x0f) | 0x80;
    if (index === 8) return (byte & 0x3f) | 0x80;
    return byte;
  });
  const hex = octets.map((octet) => octet.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** Lower case only, as we write them: an id is also a workflow id and a provider key, where case matters. */
export function isUuid(value: unknown): value is string {
  return typeof value === 'string' && UUID.test(value);
}

export function donationWorkflowId(donationId: string): `donation/${string}` {
  return `donation/${donationId}`;
}

export function aftercareWorkflowId(donationId: string): `aftercare/${string}` {
  return `aftercare/${donationId}`;
}

/**
 * The provider's idempotency key. `n` rises only on proof that the operation before had no effect.
 * @throws RangeError when `n` is not a whole number of at least 1.
 */
export function providerKey(donationId: string, operation: Operation, n: number): string {
  if (!Number.isSafeInteger(n) || n < 1)
    throw new RangeError(`operation number ${n} is not a whole number from 1`);
  return `${donationId}:${operation}:${n}`;
}
