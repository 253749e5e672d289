/** The public keys of access tokens, as their issuer publishes them: kept, and looked up again when they may have changed. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import type { Logger } from '../../platform/log.ts';
import { Problem } from './problem.ts';

/** RFC 7517; only the members that matter to RS256. */
export const publicJwk = z.object({
  kty: z.literal('RSA'),
  use: z.literal('sig'),
  alg: z.literal('RS256'),
  kid: z.string().min(1),
  n: z.string().min(1),
  e: z.string().min(1),
});
export type PublicJwk = z.infer<typeof publicJwk>;

export type KeySettings = { readonly keysMaxAgeSeconds: number; readonly keysPauseSeconds: number };

export type VerificationKeys = {
  /** Undefined when it is not known here, or no longer for certain; then `find` may still know it. */
  known(kid: string): KeyObject | undefined;
  /** Null when nobody has published it. Rejects with `keys_unavailable` while that cannot be told. */
  find(kid: string): Promise<KeyObject | null>;
  /** Looks the keys up now. */
  load(): Promise<void>;
};

const MIN_MODULUS_BITS = 2_048;
const RETRY_AFTER_SECONDS = 3;
/** Whoever was started before the issuer refuses everybody until it has asked again. */
const FAILED_PAUSE_MS = 250;

/**
 * Keys that are known go on working while their issuer is away, and only then once they are old: one may have leaked. One
 * that is not known makes us look, at most once per pause: tokens with invented ids must not become as many questions.
 */
export function createVerificationKeys(options: {
  /** Whatever is published at this moment. */
  readonly published: () => Promise<readonly unknown[]>;
  readonly settings: KeySettings;
  readonly log: Logger;
  readonly now?: () => number;
}): VerificationKeys {
  const { published, settings, log, now = () => performance.now() } = options;
  let keys: ReadonlyMap<string, KeyObject> = new Map();
  let lookedAtMs = -Infinity;
  let loadedAtMs = -Infinity;
  let failed = false;
  let looking: Promise<void> | undefined;

  const look = async (): Promise<void> => {
    lookedAtMs = now();
    try {
      keys = readKeys(await published());
      loadedAtMs = now();
      failed = false;
    } catch (err) {
      if (!failed) log.warn({ err }, 'the keys of access tokens cannot be looked up');
      failed = true;
    }
  };
  const load = (): Promise<void> => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  };
  const mayLook = (): boolean =>
    now() - lookedAtMs >= (failed ? FAILED_PAUSE_MS : settings.keysPauseSeconds * 1_000);
  const areOld = (): boolean => now() - loadedAtMs >= settings.keysMaxAgeSeconds * 1_000;

  return {
    load,
    known(kid) {
      if (areOld()) {
        if (!failed) return undefined;
        if (mayLook()) void load();
      }
      return keys.get(kid);
    },
    async find(kid) {
      if (looking !== undefined || ((!keys.has(kid) || areOld()) && mayLook())) await load();
      const key = keys.get(kid);
      if (key === undefined && failed)
        throw new Problem('keys_unavailable', { retryAfterSeconds: RETRY_AFTER_SECONDS });
      return key ?? null;
    },
  };
}

/** What is no RSA key for RS256, or too short a one, is not for us; the issuer may have others. */
function readKeys(published: readonly unknown[]): ReadonlyMap<string, KeyObject> {
  const keys = new Map<string, KeyObject>();
  for (const candidate of published) {
    const parsed = publicJwk.safeParse(candidate);
    if (!parsed.success) continue;
    const key = createPublicKey({ key: parsed.data, format: 'jwk' });
    if ((key.asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_MODULUS_BITS) keys.set(parsed.data.kid, key);
  }
  return keys;
}
