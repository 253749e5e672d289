/**
 * Calls between services that run apart: plain HTTP under `/internal/`, which the door never routes, for those who hold
 * the installation's internal token.
 */
import { context, propagation } from '@opentelemetry/api';
import type { RequestHandler } from 'express';
import { equalInConstantTime } from '../../platform/constant-time.ts';
import { bearerToken } from './authentication.ts';
import { Problem } from './problem.ts';

/** A wrong token must not look like an answer: "there is no such campaign" is one. */
export function internalOnly(expected: string): RequestHandler {
  return (request, _response, next) => {
    const token = bearerToken(request);
    if (token === null || !equalInConstantTime(token, expected)) throw new Problem('unauthorized');
    next();
  };
}

export type InternalCaller = {
  /** The JSON of a 200. Rejects on any other answer, on none, and on one later than `limitMs`. */
  get(path: string, limitMs: number): Promise<unknown>;
};

/** `url`: where the other service is, without a path. */
export function createInternalCaller(url: string, token: string): InternalCaller {
  return {
    async get(path, limitMs) {
      const headers: Record<string, string> = { authorization: `Bearer ${token}` };
      propagation.inject(context.active(), headers);
      const answer = await fetch(new URL(path, url), {
        headers,
        redirect: 'error',
        signal: AbortSignal.timeout(limitMs),
      });
      if (answer.status === 200) return await answer.json();
      await answer.body?.cancel();
      throw new Error(`${path} answered ${answer.status}`);
    },
  };
}
