import type { Request, RequestHandler } from 'express';
import type { z } from 'zod';
import type { Answer } from './errors.ts';
import { parseParams } from './params.ts';
import { serve } from './serve.ts';
import type { Route } from './serve.ts';
import type { Simulator } from './simulator.ts';

/** What the routes of the API have in common. */

export function routeOf(simulator: Simulator): (definition: Route) => RequestHandler {
  return (definition) => (request, response) => serve(simulator, definition, request, response);
}

export function found(body: Answer['body']): Answer {
  return { status: 200, body, executed: true };
}

export function withParams<Schema extends z.ZodType>(
  schema: Schema,
  request: Request,
  run: (params: z.output<Schema>) => Answer,
): Answer {
  const parsed = parseParams(schema, request.method === 'POST' ? request.body : request.query);
  return parsed.ok ? run(parsed.params) : parsed.answer;
}

export function pathId(request: Request): string {
  return String(request.params['id'] ?? '');
}

export function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

/** The donation of a payment or charge that a request names. */
export function donationOf({ store }: Simulator, named: unknown): string | null {
  const chargeId = field(named, 'charge');
  const charge = typeof chargeId === 'string' ? store.charges.get(chargeId) : undefined;
  const intentId = field(named, 'payment_intent') ?? charge?.intentId;
  const intent = typeof intentId === 'string' ? store.intents.get(intentId) : undefined;
  return intent?.metadata['donation_id'] ?? null;
}
