import { createHash } from 'node:crypto';
import type { Request } from 'express';
import { canonicalJson, type JsonValue } from '../../domain/canonical.ts';
import { parseIdempotencyKey } from '../../domain/idempotency-key.ts';
import { Problem } from './problem.ts';

/** The request's `Idempotency-Key`. Throws the problem of one that is missing, repeated or malformed. */
export function requiredIdempotencyKey(request: Request): string {
  const parsed = parseIdempotencyKey(request.headersDistinct['idempotency-key'] ?? []);
  if (!parsed.ok) throw new Problem(parsed.code);
  return parsed.key;
}

/** The same where the header is only offered; null without it. One that is there and empty is a mistake. */
export function offeredIdempotencyKey(request: Request): string | null {
  return request.headersDistinct['idempotency-key'] === undefined ? null : requiredIdempotencyKey(request);
}

/** Of what was asked, as parsed: key order, white space and omitted defaults make no difference, everything else does. */
export function fingerprintOf(asked: JsonValue): Buffer {
  return createHash('sha256').update(canonicalJson(asked)).digest();
}
