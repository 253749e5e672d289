import { Router } from 'express';
import { noSuch } from './errors.ts';
import type { Call } from './faults.ts';
import { listDisputes, listRefunds } from './listing.ts';
import { listMoneyBackParams, refundParams, retrieveObjectParams } from './params.ts';
import type { DisputeRecord, RefundRecord, StripeObject } from './records.ts';
import { createRefund } from './refunds.ts';
import { renderDispute, renderRefund } from './render-money-back.ts';
import { donationOf, found, pathId, routeOf, withParams } from './routes.ts';
import type { Simulator } from './simulator.ts';

/** Refunds and disputes: https://docs.stripe.com/api/refunds, https://docs.stripe.com/api/disputes. */
export function createMoneyBackApi(simulator: Simulator): Router {
  const { store, livemode } = simulator;
  const router = Router();
  const route = routeOf(simulator);

  router.post(
    '/refunds',
    route({
      operation: 'refund',
      donationOf: (request) => donationOf(simulator, request.body),
      run: (work, request) => withParams(refundParams, request, (params) => createRefund(work, params)),
    }),
  );
  router.get(
    '/refunds',
    route({
      operation: 'listRefunds',
      donationOf: (request) => donationOf(simulator, request.query),
      run: (_work, request) =>
        withParams(listMoneyBackParams, request, (params) => listRefunds(store, params)),
    }),
  );
  router.get(
    '/disputes',
    route({
      operation: 'listDisputes',
      donationOf: (request) => donationOf(simulator, request.query),
      run: (_work, request) =>
        withParams(listMoneyBackParams, request, (params) => listDisputes(store, params, livemode)),
    }),
  );

  const retrieve = <Item extends RefundRecord | DisputeRecord>(
    kind: 'refund' | 'dispute',
    operation: Call['operation'],
    records: ReadonlyMap<string, Item>,
    render: (record: Item) => StripeObject,
  ): void => {
    router.get(
      `/${kind}s/:id`,
      route({
        operation,
        donationOf: (request) =>
          donationOf(simulator, { payment_intent: records.get(pathId(request))?.intentId }),
        run: (_work, request) =>
          withParams(retrieveObjectParams, request, () => {
            const record = records.get(pathId(request));
            return record
              ? found(render(record))
              : noSuch(kind, pathId(request), { status: 404, param: 'id' });
          }),
      }),
    );
  };
  retrieve('refund', 'retrieveRefund', store.refunds, renderRefund);
  retrieve('dispute', 'retrieveDispute', store.disputes, (dispute) => renderDispute(dispute, livemode));
  return router;
}
