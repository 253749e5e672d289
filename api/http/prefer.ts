import type { Request } from 'express';
import { PREFER_WAIT_MAX_SECONDS } from '../../domain/limits.ts';

/** Seconds from `Prefer: wait=N` (RFC 7240), at most the limit; 0 without. What cannot be read is ignored, as the RFC asks. */
export function preferredWaitSeconds(request: Request): number {
  const preferences = (request.headersDistinct['prefer'] ?? []).flatMap((line) => line.split(','));
  for (const preference of preferences) {
    const seconds = /^\s*wait\s*=\s*"?(\d+)"?\s*(?:;.*)?$/i.exec(preference)?.[1];
    if (seconds !== undefined) return Math.min(Number(seconds), PREFER_WAIT_MAX_SECONDS);
  }
  return 0;
}
