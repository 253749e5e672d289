import { Router, urlencoded } from 'express';
import type { Request, RequestHandler } from 'express';
import type { z } from 'zod';
import { noSuch, refusal } from './errors.ts';
import type { Answer } from './errors.ts';
import { cancelIntent, captureIntent, confirmIntent, createIntent } from './intents.ts';
import {
  donationOfQuery,
  listEvents,
  listIntents,
  listRefunds,
  retrieveEvent,
  searchIntents,
} from './listing.ts';
import {
  cancelParams,
  captureParams,
  confirmParams,
  createParams,
  listEventsParams,
  listParams,
  listRefundsParams,
  parseParams,
  refundParams,
  retrieveParams,
  searchParams,
} from './params.ts';
import type { IntentRecord } from './records.ts';
import { renderCharge, renderIntent, renderRefund } from './render.ts';
import { createRefund } from './refunds.ts';
import { serve } from './serve.ts';
import type { Route } from './serve.ts';
import type { Simulator } from './simulator.ts';
import type { Work } from './work.ts';

/** The part of https://docs.stripe.com/api that we use. */
export function createApi(simulator: Simulator): Router {
  const { store, ledger, livemode } = simulator;
  const router = Router();
  router.use(urlencoded({ extended: true, limit: '256kb' }));

  const route =
    (definition: Route): RequestHandler =>
    (request, response) =>
      serve(simulator, definition, request, response);

  const onIntent = <Schema extends z.ZodType>(
    operation: Route['operation'],
    schema: Schema,
    run: (work: Work, intent: IntentRecord, params: z.output<Schema>) => Answer,
  ): RequestHandler =>
    route({
      operation,
      donationOf: (request) => store.intents.get(pathId(request))?.metadata['donation_id'] ?? null,
      run: (work, request) => {
        const intent = store.intents.get(pathId(request));
        if (intent === undefined)
          return noSuch('payment_intent', pathId(request), { status: 404, param: 'intent' });
        return withParams(schema, request, (params) => run(work, intent, params));
      },
    });

  const intents = '/payment_intents';
  router.post(
    intents,
    route({
      operation: 'create',
      donationOf: (request) => donationOfBody(request.body),
      run: (work, request) => withParams(createParams, request, (params) => createIntent(work, params)),
    }),
  );
  router.get(
    intents,
    route({
      operation: 'list',
      donationOf: () => null,
      run: (_work, request) =>
        withParams(listParams, request, (params) => listIntents(store, params, livemode)),
    }),
  );
  router.get(
    `${intents}/search`,
    route({
      operation: 'search',
      donationOf: (request) => donationOfQuery(request.query['query']),
      run: (work, request) => {
        const visibleUntilSeconds = work.nowSeconds - Math.ceil(simulator.dials().searchLagMs / 1000);
        return withParams(searchParams, request, (params) =>
          searchIntents(store, params, { livemode, visibleUntilSeconds }),
        );
      },
    }),
  );
  router.get(
    `${intents}/:id`,
    onIntent('retrieve', retrieveParams, (_work, intent) => found(renderIntent(intent, livemode))),
  );
  router.post(`${intents}/:id/confirm`, onIntent('confirm', confirmParams, confirmIntent));
  router.post(`${intents}/:id/capture`, onIntent('capture', captureParams, captureIntent));
  router.post(`${intents}/:id/cancel`, onIntent('cancel', cancelParams, cancelIntent));

  router.post(
    '/refunds',
    route({
      operation: 'refund',
      donationOf: (request) => donationOfRefund(simulator, request.body),
      run: (work, request) => withParams(refundParams, request, (params) => createRefund(work, params)),
    }),
  );

  const read = (path: string, run: (request: Request) => Answer): void => {
    router.get(
      path,
      route({ operation: 'other', donationOf: () => null, run: (_work, request) => run(request) }),
    );
  };
  read('/refunds', (request) =>
    withParams(listRefundsParams, request, (params) => listRefunds(store, params)),
  );
  read('/refunds/:id', (request) => {
    const refund = store.refunds.get(pathId(request));
    return refund
      ? found(renderRefund(refund))
      : noSuch('refund', pathId(request), { status: 404, param: 'id' });
  });
  read('/charges/:id', (request) => {
    const charge = store.charges.get(pathId(request));
    return charge
      ? found(renderCharge(charge, livemode))
      : noSuch('charge', pathId(request), { status: 404, param: 'id' });
  });
  read('/events', (request) =>
    withParams(listEventsParams, request, (params) => listEvents(store, ledger, params)),
  );
  read('/events/:id', (request) => retrieveEvent(store, ledger, pathId(request)));

  router.use((request, response) => {
    const message = `Unrecognized request URL (${request.method}: ${request.originalUrl}).`;
    const { status, body } = refusal(404, { type: 'invalid_request_error', message });
    response.status(status).json(body);
  });
  return router;
}

function found(body: Answer['body']): Answer {
  return { status: 200, body, executed: true };
}

function withParams<Schema extends z.ZodType>(
  schema: Schema,
  request: Request,
  run: (params: z.output<Schema>) => Answer,
): Answer {
  const parsed = parseParams(schema, request.method === 'POST' ? request.body : request.query);
  return parsed.ok ? run(parsed.params) : parsed.answer;
}

function pathId(request: Request): string {
  return String(request.params['id'] ?? '');
}

function donationOfBody(body: unknown): string | null {
  const donationId = field(field(body, 'metadata'), 'donation_id');
  return typeof donationId === 'string' ? donationId : null;
}

function donationOfRefund({ store }: Simulator, body: unknown): string | null {
  const chargeId = field(body, 'charge');
  const charge = typeof chargeId === 'string' ? store.charges.get(chargeId) : undefined;
  const intentId = field(body, 'payment_intent') ?? charge?.intentId;
  const intent = typeof intentId === 'string' ? store.intents.get(intentId) : undefined;
  return intent?.metadata['donation_id'] ?? null;
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
