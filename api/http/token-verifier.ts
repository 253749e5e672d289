/**
 * What passport-jwt asks whether a token is right. Its own (jsonwebtoken) feeds the token to `crypto.createVerify`, which
 * costs half as much again as the one call here, and takes a token without exp; nothing else is different.
 */
import { verify, type KeyObject } from 'node:crypto';

/** The strategy's options: one algorithm, one issuer, one audience. */
export type Expected = { readonly issuer: string; readonly audience: string };
export type Claims = Readonly<Record<string, unknown>>;
type Verified = (error: Error | null, claims?: Claims) => void;

/** Three parts of base64url and nothing that a lenient decoder would skip. */
const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** The shape of a JWS (RFC 7515, section 3.1). */
export function isCompact(token: string): boolean {
  return COMPACT.test(token);
}

/** For RS256 alone: the header was read before the key was chosen. Calls back with the claims of a token that counts now. */
export function verifyToken(token: string, key: KeyObject, expected: Expected, verified: Verified): void {
  const claims = isCompact(token) && isSigned(token, key) ? claimsOf(token) : null;
  if (claims !== null && counts(claims, expected, Date.now() / 1_000)) verified(null, claims);
  else verified(new Error('no token that counts'));
}

/** PKCS #1 v1.5 with SHA-256 (RFC 7518, section 3.3) is what Node makes of an RSA key. */
function isSigned(token: string, key: KeyObject): boolean {
  const end = token.lastIndexOf('.');
  const signature = Buffer.from(token.slice(end + 1), 'base64url');
  return verify('sha256', Buffer.from(token.slice(0, end)), key, signature);
}

function claimsOf(token: string): Claims | null {
  return readSegment(token.slice(token.indexOf('.') + 1, token.lastIndexOf('.')));
}

/** The JSON object that a part of a token is; null when it is none. */
export function readSegment(segment: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(segment, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null;
  } catch {
    return null;
  }
}

/** RFC 7519, section 4.1. An audience is one text here, never a list. */
function counts({ iss, aud, exp, nbf }: Claims, { issuer, audience }: Expected, nowSeconds: number): boolean {
  const begun = nbf === undefined || (typeof nbf === 'number' && nbf <= nowSeconds);
  return iss === issuer && aud === audience && typeof exp === 'number' && exp > nowSeconds && begun;
}
