import type { Request } from 'express';
import { parseIdempotencyKey } from '../../domain/idempotency-key.ts';
import { Problem } from './problem.ts';

/** The request's `Idempotency-Key`. Throws the problem of one that is missing, repeated or malformed. */
export function requiredIdempotencyKey(request: Request): string {
  const parsed = parseIdempotencyKey(request.headersDistinct['idempotency-key'] ?? []);
  if (!parsed.ok) throw new Problem(parsed.code);
  return parsed.key;
}
