/** `AUTH`: how long tokens and keys last, and how many failures are taken. */
import { z } from 'zod';

const positive = z.number().int().positive();

export const authSettings = z.strictObject({
  issuer: z.string().min(1).default('careforall'),
  audience: z.string().min(1).default('careforall-api'),
  accessTokenSeconds: positive.default(600),
  refreshTokenSeconds: positive.default(2_592_000),
  deviceTokenSeconds: positive.default(31_536_000),
  /** How long before its first signature a new key is published. */
  keyActivationSeconds: z.number().int().nonnegative().default(120),
  /** How old the known keys may be before they are looked up again; less than half of the time above. */
  keysMaxAgeSeconds: positive.default(30),
  /** Unknown keys make nobody look more often than this, but for a look that failed. */
  keysPauseSeconds: positive.default(3),
  failuresWindowSeconds: positive.default(900),
  failuresPerAccountAndAddress: positive.default(5),
  failuresPerAddress: positive.default(100),
  failuresPerAccount: positive.default(20),
  failuresPerDevice: positive.default(10),
});

export type AuthSettings = z.infer<typeof authSettings>;
