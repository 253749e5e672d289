/** What one secret of the installation protects, each use under a key of its own. */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

export type Purpose = 'signing keys' | 'device tokens' | 'login limits';

const VERSION = 1;
const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;

/** RFC 5869; the secret has at least 32 characters of chance, so no salt is needed. */
export function deriveKey(secret: string, purpose: Purpose): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `careforall ${purpose} 1`, KEY_BYTES));
}

/** Version, nonce, tag, then the text, which only opens under the same name. */
export function seal(key: Buffer, text: string, name: string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(Buffer.from(name));
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([Buffer.of(VERSION), nonce, cipher.getAuthTag(), sealed]);
}

/** Throws when the key, the name or a byte is not the one that it was sealed with. */
export function unseal(key: Buffer, sealed: Buffer, name: string): string {
  if (sealed[0] !== VERSION) throw new Error(`sealed in an unknown way (${sealed[0] ?? 'empty'})`);
  const nonce = sealed.subarray(1, 1 + NONCE_BYTES);
  const tag = sealed.subarray(1 + NONCE_BYTES, 1 + NONCE_BYTES + TAG_BYTES);
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(name))
    .setAuthTag(tag);
  const text = decipher.update(sealed.subarray(1 + NONCE_BYTES + TAG_BYTES));
  return Buffer.concat([text, decipher.final()]).toString('utf8');
}
