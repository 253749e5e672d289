import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { createDeviceTokens } from '../../../api/auth/device-tokens.ts';
import { deriveKey, seal, unseal } from '../../../api/auth/sealing.ts';

const SECRET = 'a secret of the tests, long enough for the platform';
const ana = randomUUID();

test('a device token names one device of one account, for as long as it lasts', () => {
  let nowMs = 1_800_000_000_000;
  const devices = createDeviceTokens(SECRET, 60, () => nowMs);
  const [token, other] = [devices.issue(ana), devices.issue(ana)];
  expect(devices.deviceOf(token, ana)).toMatch(/^[0-9a-f]{32}$/);
  expect(devices.deviceOf(other, ana)).not.toBe(devices.deviceOf(token, ana));
  expect(devices.deviceOf(token, randomUUID())).toBeNull();
  expect(createDeviceTokens(`${SECRET}!`, 60, () => nowMs).deviceOf(token, ana)).toBeNull();
  nowMs += 59_999;
  expect(devices.deviceOf(token, ana)).not.toBeNull();
  nowMs += 1;
  expect(devices.deviceOf(token, ana)).toBeNull();
});

test('not one bit of a device token may differ', () => {
  const devices = createDeviceTokens(SECRET, 60);
  const bytes = Buffer.from(devices.issue(ana), 'base64url');
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const altered = Buffer.from(bytes);
    altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(devices.deviceOf(altered.toString('base64url'), ana)).toBeNull();
  }
  expect(devices.deviceOf('', ana)).toBeNull();
});

test('what was sealed opens with the same key and name alone, and is another text each time', () => {
  const key = deriveKey(SECRET, 'signing keys');
  const sealed = seal(key, 'private', 'one');
  expect(unseal(key, sealed, 'one')).toBe('private');
  expect(seal(key, 'private', 'one')).not.toEqual(sealed);
  expect(() => unseal(key, sealed, 'two')).toThrow(/authenticate/);
  expect(() => unseal(deriveKey(SECRET, 'device tokens'), sealed, 'one')).toThrow(/authenticate/);
  for (let at = 0; at < sealed.length; at += 1) {
    const altered = Buffer.from(sealed);
    altered[at] = (altered[at] ?? 0) ^ 1;
    expect(() => unseal(key, altered, 'one')).toThrow(/authenticate|unknown way/);
  }
});
