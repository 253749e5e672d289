/**
 * What a browser or program keeps after its owner has signed in there, to be told from strangers when somebody guesses
 * at the account (OWASP, "Device cookies"). It opens nothing: the password is needed as ever.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { deriveKey } from './sealing.ts';

export type DeviceTokens = {
  issue(userId: string): string;
  /** The device's own name when the token is one of this account's, else null. */
  deviceOf(token: string, userId: string): string | null;
};

const NONCE_BYTES = 16;
const TIME_BYTES = 6;
const MAC_BYTES = 32;

export function createDeviceTokens(
  secret: string,
  lifetimeSeconds: number,
  now: () => number = Date.now,
): DeviceTokens {
  const key = deriveKey(secret, 'device tokens');
  const macOf = (userId: string, body: Buffer): Buffer =>
    createHmac('sha256', key).update(userId).update(body).digest();
  return {
    issue(userId) {
      const issuedAt = Buffer.alloc(TIME_BYTES);
      issuedAt.writeUIntBE(now(), 0, TIME_BYTES);
      const body = Buffer.concat([randomBytes(NONCE_BYTES), issuedAt]);
      return Buffer.concat([body, macOf(userId, body)]).toString('base64url');
    },
    deviceOf(token, userId) {
      const bytes = Buffer.from(token, 'base64url');
      if (bytes.length !== NONCE_BYTES + TIME_BYTES + MAC_BYTES) return null;
      const body = bytes.subarray(0, NONCE_BYTES + TIME_BYTES);
      if (!timingSafeEqual(macOf(userId, body), bytes.subarray(body.length))) return null;
      const ageMs = now() - body.readUIntBE(NONCE_BYTES, TIME_BYTES);
      return ageMs < lifetimeSeconds * 1_000 ? body.subarray(0, NONCE_BYTES).toString('hex') : null;
    },
  };
}
