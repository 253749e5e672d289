/** What every answer says to browsers and caches, unless its route says otherwise. */
import type { RequestHandler } from 'express';

/**
 * The API gives no page and no part of one (the OWASP REST Security Cheat Sheet's list). `Strict-Transport-Security` is
 * missing on purpose: it is for whoever terminates TLS to promise that there is TLS.
 */
export const SECURITY_HEADERS = {
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy':
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
} as const;

/** What a cache may keep is the exception, and says so. */
export const securityHeaders: RequestHandler = (_request, response, next) => {
  response.set({ ...SECURITY_HEADERS, 'Cache-Control': 'no-store' });
  next();
};
