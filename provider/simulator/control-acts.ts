import { Router } from 'express';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import { act } from './acts.ts';
import { changeAmount, payAgain, payByHand, refundByHand } from './dashboard.ts';
import { closeDispute, escalateDispute, openDispute } from './disputes.ts';
import { invalidParameter, noSuch } from './errors.ts';
import type { Answer } from './errors.ts';
import { changeFee } from './fees.ts';
import { authorizeIntent, decline, expireIntent } from './intents.ts';
import { GENERIC_DECLINE } from './payment-methods.ts';
import type { IntentRecord, IntentStatus } from './records.ts';
import { failRefund, succeedRefund } from './refunds.ts';
import type { Simulator } from './simulator.ts';
import type { Work } from './work.ts';

/** What banks, networks, donors and the provider's staff do to payments, refunds and disputes. */
export function createActs(simulator: Simulator): Router {
  const { store } = simulator;
  const router = Router();

  const on =
    <Item extends { readonly id: string }>(
      kind: string,
      records: ReadonlyMap<string, Item>,
      intentOf: (item: Item) => IntentRecord | undefined,
      run: (work: Work, item: Item, body: unknown) => Answer,
    ): RequestHandler =>
    (request, response) => {
      const id = String(request.params['id']);
      const item = records.get(id);
      const answer =
        item === undefined
          ? noSuch(kind, id, { status: 404, param: 'id' })
          : act(simulator, intentOf(item), (work) => run(work, item, request.body ?? {}));
      response.status(answer.status).json(answer.body);
    };
  const onPayment = (path: string, run: (work: Work, intent: IntentRecord, body: unknown) => Answer) =>
    router.post(
      path,
      on('payment_intent', store.intents, (intent) => intent, run),
    );
  const paymentOf = ({ intentId }: { readonly intentId: string }): IntentRecord | undefined =>
    store.intents.get(intentId);

  onPayment('/payments/:id/expire', (work, intent, body) =>
    expireIntent(work, intent, expirySchema.parse(body).reason),
  );
  onPayment('/payments/:id/authenticate', authenticate);
  onPayment('/payments/:id/settle', settle);
  onPayment('/payments/:id/dispute', (work, intent, body) =>
    openDispute(work, intent, disputeSchema.parse(body)),
  );
  onPayment('/payments/:id/fee', (work, intent, body) =>
    changeFee(work, intent, feeSchema.parse(body).feeMinor),
  );

  router.post(
    '/refunds/:id/succeed',
    on('refund', store.refunds, paymentOf, (work, refund) => succeedRefund(work, refund)),
  );
  router.post(
    '/refunds/:id/fail',
    on('refund', store.refunds, paymentOf, (work, refund, body) =>
      failRefund(work, refund, failureSchema.parse(body).reason),
    ),
  );
  router.post(
    '/disputes/:id/escalate',
    on('dispute', store.disputes, paymentOf, (work, dispute) => escalateDispute(work, dispute)),
  );
  router.post(
    '/disputes/:id/close',
    on('dispute', store.disputes, paymentOf, (work, dispute, body) =>
      closeDispute(work, dispute, closeSchema.parse(body).outcome),
    ),
  );

  router.post('/dashboard/payments', (request, response) => {
    const answer = act(simulator, undefined, (work) => payByHand(work, request.body ?? {}));
    response.status(answer.status).json(answer.body);
  });
  onPayment('/dashboard/payments/:id/duplicate', (work, intent) => payAgain(work, intent));
  onPayment('/dashboard/payments/:id/amount', changeAmount);
  onPayment('/dashboard/payments/:id/refund', refundByHand);
  return router;
}

const expirySchema = z.strictObject({ reason: z.enum(['expired', 'automatic']).default('expired') });
const succeedSchema = z.strictObject({ succeed: z.boolean().default(true) });
const feeSchema = z.strictObject({ feeMinor: z.int().min(0) });
const failureSchema = z.strictObject({ reason: z.string().optional() });
const closeSchema = z.strictObject({ outcome: z.enum(['won', 'lost']).default('lost') });
const disputeSchema = z
  .strictObject({
    amountMinor: z.int().positive().optional(),
    reason: z.string().optional(),
    inquiry: z.boolean().optional(),
  })
  .transform(({ amountMinor, ...rest }) => ({ ...rest, amount: amountMinor }));

/** The donor comes back from the bank's page; `{"succeed": false}` when the bank said no. */
function authenticate(work: Work, intent: IntentRecord, body: unknown): Answer {
  return decide(work, intent, body, {
    from: 'requires_action',
    code: 'payment_intent_authentication_failure',
  });
}

/** The bank answers at last. */
function settle(work: Work, intent: IntentRecord, body: unknown): Answer {
  return decide(work, intent, body, { from: 'processing', code: GENERIC_DECLINE.code });
}

function decide(
  work: Work,
  intent: IntentRecord,
  body: unknown,
  { from, code }: { readonly from: IntentStatus; readonly code: string },
): Answer {
  const { succeed } = succeedSchema.parse(body);
  if (intent.status !== from || intent.paymentMethod === null)
    return invalidParameter('payment_intent', `Nothing to decide in status ${intent.status}.`);
  if (succeed) return authorizeIntent(work, intent, intent.paymentMethod);
  const declineCode = code === GENERIC_DECLINE.code ? GENERIC_DECLINE.declineCode : null;
  decline(work, intent, intent.paymentMethod, { ...GENERIC_DECLINE, code, declineCode });
  // A refusal to the donor, not to the test that asked for it.
  return { status: 200, body: { id: intent.id, object: 'payment_intent' }, executed: true };
}
