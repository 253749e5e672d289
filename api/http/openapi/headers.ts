/** Headers of answers, described once and referred to. */
import type { oas31 } from 'zod-openapi';

export const HEADERS = {
  'Cache-Control': {
    description: '`no-store` unless it says how the answer may be kept; on every answer.',
    schema: { type: 'string' },
  },
  'Content-Security-Policy': {
    description: 'What a browser may load for it: nothing, but for `/docs`; on every answer.',
    schema: { type: 'string' },
  },
  ETag: {
    description: 'Strong: the version of what is answered. Send it back as `If-None-Match`.',
    schema: { type: 'string' },
    example: '"42"',
  },
  'Idempotent-Replayed': {
    description:
      'The key was used before for the same request: this is its present state, and nothing happened again.',
    schema: { type: 'string', enum: ['true'] },
  },
  Location: {
    description: 'Where the result is, or will be.',
    schema: { type: 'string' },
    example: '/donations/0d9c3f6e-5a1b-8c2d-9e4f-1a2b3c4d5e6f',
  },
  'Preference-Applied': {
    description: 'RFC 7240: the wait that was granted, in seconds.',
    schema: { type: 'string' },
    example: 'wait=5',
  },
  'RateLimit-Limit': {
    description: 'How many requests the nearest limit takes per window.',
    schema: { type: 'string', pattern: '^[0-9]+$' },
    example: '60',
  },
  'RateLimit-Policy': {
    description: 'Each limit that applies, with its window in seconds.',
    schema: { type: 'string' },
    example: '60;w=60',
  },
  'RateLimit-Remaining': {
    description: 'How many are left of it.',
    schema: { type: 'string', pattern: '^[0-9]+$' },
    example: '59',
  },
  'RateLimit-Reset': {
    description: 'In how many seconds its window ends.',
    schema: { type: 'string', pattern: '^[0-9]+$' },
    example: '42',
  },
  'Retry-After': {
    description: 'Ask again after so many seconds.',
    schema: { type: 'string', pattern: '^[0-9]+$' },
    example: '1',
  },
  Vary: { description: 'Which request headers chose this answer.', schema: { type: 'string' } },
  'WWW-Authenticate': { description: 'RFC 6750.', schema: { type: 'string' }, example: 'Bearer' },
} as const satisfies Readonly<Record<string, oas31.HeaderObject>>;

/** On every answer to a request that is counted; written down where they matter. */
export const RATE_LIMITS = [
  'RateLimit-Limit',
  'RateLimit-Remaining',
  'RateLimit-Reset',
  'RateLimit-Policy',
] as const;

export type HeaderName = keyof typeof HEADERS;

export function headers(...names: readonly HeaderName[]): oas31.HeadersObject {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}
