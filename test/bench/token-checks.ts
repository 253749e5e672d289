/** What it costs to know who asks: the whole check of an access token, new or seen before, beside a bare `crypto.verify`. */
import { generateKeyPairSync, randomUUID, verify } from 'node:crypto';
import { signAccessToken } from '../../api/auth/access-token.ts';
import { accessTokens } from '../../api/http/access-tokens.ts';
import { createVerificationKeys } from '../../api/http/verification-keys.ts';
import { loadConfig } from '../../platform/config.ts';
import { createLogger } from '../../platform/log.ts';

/** Each per second of CPU time: per core, whatever else runs on the others. */
export type TokenChecks = { readonly bare: number; readonly uncached: number; readonly cached: number };

const TOKENS = 500;
/** A seen one costs so much less that more are needed to measure it. */
const CACHED_FACTOR = 10;

/** `checks`: of new tokens. */
export async function measureTokenChecks(checks: number): Promise<TokenChecks> {
  const settings = loadConfig().AUTH;
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const kid = randomUUID();
  const published = [{ ...publicKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid }];
  const keys = createVerificationKeys({
    published: () => Promise.resolve(published),
    settings,
    log: createLogger('bench', 'silent'),
  });
  const tokens = Array.from({ length: TOKENS }, () => {
    const user = { id: randomUUID(), role: 'donor' } as const;
    return signAccessToken({ kid, privateKey, retiresAt: null }, user, settings).token;
  });
  // With room for one, none of the others is found again.
  const uncached = accessTokens({ keys, settings, maxCached: 1 });
  const cached = accessTokens({ keys, settings, maxCached: TOKENS });
  const counted = async (
    check: (token: string) => boolean | Promise<boolean>,
    count: number,
  ): Promise<number> => {
    for (const token of tokens) await check(token);
    const before = process.cpuUsage();
    for (let index = 0; index < count; index += 1)
      if (!(await check(tokens[index % TOKENS] ?? ''))) throw new Error('a token that is right was refused');
    const { user, system } = process.cpuUsage(before);
    return (count * 1e6) / (user + system);
  };
  return {
    bare: await counted((token) => {
      const end = token.lastIndexOf('.');
      const signature = Buffer.from(token.slice(end + 1), 'base64url');
      return verify('sha256', Buffer.from(token.slice(0, end)), publicKey, signature);
    }, checks),
    uncached: await counted(async (token) => (await uncached(token)) !== null, checks),
    cached: await counted(async (token) => (await cached(token)) !== null, checks * CACHED_FACTOR),
  };
}
