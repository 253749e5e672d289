import { Router, urlencoded } from 'express';
import type { Request, RequestHandler } from 'express';
import type { z } from 'zod';
import { createMoneyBackApi } from './api-money-back.ts';
import { noSuch, refusal } from './errors.ts';
import type { Answer } from './errors.ts';
import { expandIntent, refuseExpand } from './expand.ts';
import { cancelIntent, captureIntent, confirmIntent, createIntent } from './intents.ts';
import { donationOfQuery, listEvents, listIntents, retrieveEvent, searchIntents } from './listing.ts';
import {
  cancelParams,
  captureParams,
  confirmParams,
  createParams,
  listEventsParams,
  listParams,
  retrieveParams,
  searchParams,
} from './params.ts';
import type { IntentRecord, StripeObject } from './records.ts';
import { renderCharge, renderIntent } from './render.ts';
import { field, found, pathId, routeOf, withParams } from './routes.ts';
import type { Route } from './serve.ts';
import type { Simulator } from './simulator.ts';
import type { Work } from './work.ts';

/** The part of https://docs.stripe.com/api that we use. */
export function createApi(simulator: Simulator): Router {
  const { store, ledger, livemode } = simulator;
  const router = Router();
  router.use(urlencoded({ extended: true, limit: '256kb' }));

  const route = routeOf(simulator);

  const onIntent = <Schema extends z.ZodType<{ expand?: string[] | undefined }>>(
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
        return withParams(schema, request, (params) =>
          expandable(work, { paths: params.expand }, () => run(work, intent, params)),
        );
      },
    });

  const intents = '/payment_intents';
  router.post(
    intents,
    route({
      operation: 'create',
      donationOf: (request) => donationOfBody(request.body),
      run: (work, request) =>
        withParams(createParams, request, (params) =>
          expandable(work, { paths: params.expand }, () => createIntent(work, params)),
        ),
    }),
  );
  router.get(
    intents,
    route({
      operation: 'list',
      donationOf: () => null,
      run: (work, request) =>
        withParams(listParams, request, (params) =>
          expandable(work, { paths: params.expand, prefix: 'data.' }, () =>
            listIntents(store, params, livemode),
          ),
        ),
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
          expandable(work, { paths: params.expand, prefix: 'data.' }, () =>
            searchIntents(store, params, { livemode, visibleUntilSeconds }),
          ),
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

  router.use(createMoneyBackApi(simulator));

  const read = (path: string, run: (request: Request) => Answer): void => {
    router.get(
      path,
      route({ operation: 'other', donationOf: () => null, run: (_work, request) => run(request) }),
    );
  };
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

/** Lists name what is to be expanded from their `data` on. */
function expandable(
  work: Work,
  { paths = [], prefix = '' }: { readonly paths: readonly string[] | undefined; readonly prefix?: string },
  run: () => Answer,
): Answer {
  const refused = refuseExpand(paths, prefix);
  if (refused !== null) return refused;
  const answer = run();
  if (answer.status >= 300 || paths.length === 0) return answer;
  if (prefix === '') return { ...answer, body: expandIntent(work, answer.body, paths) };
  const entries = answer.body['data'] as readonly StripeObject[];
  const data = entries.map((entry) => expandIntent(work, entry, paths, prefix));
  return { ...answer, body: { ...answer.body, data } };
}

function donationOfBody(body: unknown): string | null {
  const donationId = field(field(body, 'metadata'), 'donation_id');
  return typeof donationId === 'string' ? donationId : null;
}
