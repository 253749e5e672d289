/** Versions as entity tags (RFC 9110, section 8.8.3): what changed has another one. */
import type { Request } from 'express';
import { Problem } from './problem.ts';

/** Of several things that are shown together, all their versions. */
export function etagOf(...versions: readonly number[]): string {
  return `"${versions.join('.')}"`;
}

/** Whether the reader has this version already: then 304 is the answer. Weak comparison. */
export function isKnownToReader(request: Request, etag: string): boolean {
  const header = request.headers['if-none-match'];
  if (header === undefined) return false;
  return header.split(',').some((item) => item.trim() === '*' || item.trim().replace(/^W\//, '') === etag);
}

const TAGS = /^\s*(?:W\/)?"[^"]*"(?:\s*,\s*(?:W\/)?"[^"]*")*\s*$/;

/**
 * Which version the writer has seen, from `If-Match`; anything goes without it. Strong comparison: a weak tag fits
 * nothing. Throws `invalid_parameter` for what is no list of tags.
 */
export function expectedVersion(request: Request): (version: number) => boolean {
  const header = request.headers['if-match'];
  if (header === undefined || header.trim() === '*') return () => true;
  if (!TAGS.test(header))
    throw new Problem('invalid_parameter', {
      detail: 'If-Match must be the ETag that was read, quotes included',
    });
  const tags = new Set(Array.from(header.matchAll(/(?:W\/)?"[^"]*"/g), ([tag]) => tag));
  return (version) => tags.has(etagOf(version));
}
