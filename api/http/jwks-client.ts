/** The issuer's keys over HTTP, for services that run apart from it. */
import { z } from 'zod';

const jwks = z.object({ keys: z.array(z.unknown()).max(32) });

const ANSWER_LIMIT_MS = 2_000;
const MAX_BYTES = 65_536;

/** For `createVerificationKeys`. The address is configured: nothing in a token ever names one. */
export function jwksAt(url: string): () => Promise<readonly unknown[]> {
  return async () => {
    const response = await fetch(url, {
      headers: { accept: 'application/json' },
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
    });
    if (!response.ok) throw new Error(`${url} answered ${response.status}`);
    if (Number(response.headers.get('content-length') ?? 0) > MAX_BYTES)
      throw new Error(`${url} is too long for keys`);
    return jwks.parse(await response.json()).keys;
  };
}
