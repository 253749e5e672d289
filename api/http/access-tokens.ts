/** Whose access token it is: passport-jwt checks it (RFC 9068 over RS256), a bounded cache spares the second check. */
import { hash, type KeyObject } from 'node:crypto';
import passport from 'passport';
import passportJwt from 'passport-jwt';
import { ROLES, type Role, type User } from '../../domain/actor.ts';
import { isUuid } from '../../domain/ids.ts';
import type { Authenticate } from './authentication.ts';
import { createTokenCache } from './token-cache.ts';
import { readSegment, verifyToken, type Claims } from './token-verifier.ts';
import type { VerificationKeys } from './verification-keys.ts';

export const ACCESS_TOKEN_ALGORITHM = 'RS256';
/** No other token of anybody's passes for one of these (RFC 9068, section 2.1). */
export const ACCESS_TOKEN_TYPE = 'at+jwt';

export type AccessTokenSettings = { readonly issuer: string; readonly audience: string };

/** Ours have some 700 characters. */
const MAX_TOKEN_LENGTH = 4_096;
const MAX_CACHED_TOKENS = 10_000;
const MAX_KNOWN_HEADERS = 64;
/** How far the issuer's clock may be ahead of ours. */
const CLOCK_SKEW_SECONDS = 60;

/** The one who is asked, with what a cache has to know of their token. */
type Checked = { readonly user: User; readonly kid: string; readonly expiresAtMs: number };

export function accessTokens(options: {
  readonly keys: VerificationKeys;
  readonly settings: AccessTokenSettings;
  /** Default 10,000. */
  readonly maxCached?: number;
}): Authenticate {
  const { keys, maxCached = MAX_CACHED_TOKENS } = options;
  const check = createCheck(keys, options.settings);
  const cache = createTokenCache<Checked>(maxCached);
  return async (token) => {
    if (token.length > MAX_TOKEN_LENGTH) return null;
    const digest = hash('sha256', token, 'base64');
    const cached = cache.get(digest);
    if (cached !== undefined) {
      // A key that is no longer published takes its tokens along.
      if (cached.expiresAtMs > Date.now() && keys.known(cached.kid) !== undefined) return cached.user;
      cache.delete(digest);
    }
    const checked = await check(token);
    if (checked === null) return null;
    cache.set(digest, checked);
    return checked.user;
  };
}

// Where passport-jwt has it replaced; no other strategy of its kind is in the process.
Object.assign(passportJwt.Strategy, { JwtVerifier: verifyToken });

type Attempt = { readonly token: string };

function createCheck(
  keys: VerificationKeys,
  { issuer, audience }: AccessTokenSettings,
): (token: string) => Promise<Checked | null> {
  const kidOf = createHeaderReader();
  const strategy = new passportJwt.Strategy(
    {
      jwtFromRequest: (request: unknown) => (request as Attempt).token,
      secretOrKeyProvider: (_request: unknown, token: string, answer) => {
        const done = answer as KeyFound;
        const kid = kidOf(token);
        const key = kid === null ? undefined : keys.known(kid);
        if (kid === null) done(new Error('no header of an access token'));
        else if (key !== undefined) done(null, key);
        else
          keys.find(kid).then(
            (found) => (found === null ? done(new Error('no key of ours')) : done(null, found)),
            (problem: unknown) => done(new KeysAway(problem as Error)),
          );
      },
      algorithms: [ACCESS_TOKEN_ALGORITHM],
      issuer,
      audience,
      passReqToCallback: true,
    },
    ({ token }: Attempt, claims: Claims, done: (error: unknown, checked: Checked | false) => void) => {
      done(null, readClaims(claims, kidOf(token)) ?? false);
    },
  );
  // By its name: passport makes a copy for each attempt then. One that is handed over is shared, and its answers mixed up.
  const authenticator = new passport.Passport().use(strategy);
  return async (token) =>
    await new Promise((resolve, reject) => {
      const answered = (error: Error | null, checked: Checked | false, why: unknown): void => {
        if (why instanceof KeysAway) reject(why.problem);
        else if (error !== null) reject(error);
        else resolve(checked === false ? null : checked);
      };
      const attempt = authenticator.authenticate(strategy.name, { session: false }, answered) as Middleware;
      attempt({ token }, {}, reject);
    });
}

/** A KeyObject is parsed once; the declared string would be parsed for every token. */
type KeyFound = (error: Error | null, key?: KeyObject) => void;
type Middleware = (request: Attempt, response: object, next: (error?: unknown) => void) => void;

/** Carries the problem past passport, to which every failed look for a key is one more reason to refuse. */
class KeysAway extends Error {
  readonly problem: Error;

  constructor(problem: Error) {
    super(problem.message);
    this.problem = problem;
  }
}

/** Signature, issuer, audience, exp and nbf have been checked; the rest is checked here. */
function readClaims({ sub, role, iat, exp, jti }: Claims, kid: string | null): Checked | null {
  if (kid === null || typeof exp !== 'number' || typeof iat !== 'number') return null;
  if (iat >= exp || iat > Date.now() / 1_000 + CLOCK_SKEW_SECONDS) return null;
  if (!isUuid(sub) || !isUuid(jti) || !isRole(role)) return null;
  return { user: { kind: 'user', id: sub, role }, kid, expiresAtMs: exp * 1_000 };
}

function isRole(value: unknown): value is Role {
  return ROLES.some((role) => role === value);
}

/** All tokens of one key have the same header: it is read once. */
function createHeaderReader(): (token: string) => string | null {
  const known = new Map<string, string>();
  return (token) => {
    const header = token.slice(0, token.indexOf('.'));
    const kid = known.get(header) ?? readHeader(header);
    if (kid !== null && known.size < MAX_KNOWN_HEADERS) known.set(header, kid);
    return kid;
  };
}

/** Exactly alg, typ and kid: whatever else a header may ask for (jku, x5u, jwk, crit) is not ours. */
function readHeader(segment: string): string | null {
  const header = readSegment(segment);
  if (header === null) return null;
  const { alg, typ, kid, ...others } = header;
  const isOurs =
    alg === ACCESS_TOKEN_ALGORITHM && typ === ACCESS_TOKEN_TYPE && Object.keys(others).length === 0;
  return isOurs && typeof kid === 'string' ? kid : null;
}
