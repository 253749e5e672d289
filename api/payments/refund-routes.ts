/** Refunds over HTTP: an operator or an organizer asks, the database decides, aftercare makes them. */
import type { Request, Router } from 'express';
import type { z } from 'zod';
import { scopeOf } from '../../domain/actor.ts';
import { requiredIdempotencyKey } from '../http/idempotency-key.ts';
import { jsonBody, parseBody } from '../http/json-body.ts';
import { signedIn, userOf, type Authenticate } from '../http/authentication.ts';
import { pathId } from '../http/path-id.ts';
import { methodNotAllowed, Problem } from '../http/problem.ts';
import type { refundAnswer, refundsAnswer } from './answers.ts';
import { refundBody, refundFingerprint } from './refund-body.ts';
import { checkRefundRights, type RefundRights } from './refund-rights.ts';
import type { Refund, RefundStore } from './refunds.ts';

const RETRY_AFTER_SECONDS = 1;

export type RefundRoutes = RefundRights & {
  readonly refunds: RefundStore;
  readonly authenticate: Authenticate;
};

export function addRefundRoutes(router: Router, deps: RefundRoutes): void {
  const { refunds } = deps;
  const staff = signedIn(deps.authenticate, 'operator', 'organizer');

  router.post('/donations/:id/refunds', staff, ...jsonBody, async (request, response) => {
    const donationId = pathId(request);
    const idempotencyKey = requiredIdempotencyKey(request);
    const body = parseBody(request, refundBody);
    const user = userOf(request);
    await checkRefundRights(deps, user, donationId);
    const answer = await refunds.ask({
      donationId,
      scope: scopeOf(user),
      ...(user.role === 'operator' ? { formerScope: 'operator' } : {}),
      idempotencyKey,
      fingerprint: refundFingerprint(donationId, body),
      amountMinor: body.amount,
      currency: body.currency,
      reason: body.reason,
      requestedBy: `${user.role}:${user.id}`,
    });
    if (answer.kind === 'refused') throw new Problem(answer.code);
    if (!answer.created) response.set('Idempotent-Replayed', 'true');
    response
      .status(202)
      .location(`/donations/${donationId}/refunds/${answer.refund.id}`)
      .set('Retry-After', String(RETRY_AFTER_SECONDS))
      .json(toJson(answer.refund));
  });

  router.get('/donations/:id/refunds', staff, async (request, response) => {
    const found = await listed(deps, request);
    const answer: z.infer<typeof refundsAnswer> = { data: found.map(toJson), nextCursor: null };
    response.json(answer);
  });
  router.all('/donations/:id/refunds', methodNotAllowed('GET', 'POST'));

  router.get('/donations/:id/refunds/:refundId', staff, async (request, response) => {
    const refundId = pathId(request, 'refundId');
    const refund = (await listed(deps, request)).find(({ id }) => id === refundId);
    if (refund === undefined) throw new Problem('not_found');
    response.json(toJson(refund));
  });
  router.all('/donations/:id/refunds/:refundId', methodNotAllowed('GET'));
}

async function listed(deps: RefundRoutes, request: Request): Promise<Refund[]> {
  const donationId = pathId(request);
  await checkRefundRights(deps, userOf(request), donationId);
  const found = await deps.refunds.list(donationId);
  if (found === null) throw new Problem('not_found');
  return found;
}

function toJson(refund: Refund): z.infer<typeof refundAnswer> {
  const { id, donationId, amount, currency, status, reason, failureCode, requestedBy, createdAt } = refund;
  return {
    id,
    donationId,
    amount,
    currency,
    status,
    requestedBy,
    createdAt: createdAt.toISOString(),
    ...(reason === null ? {} : { reason }),
    ...(failureCode === null ? {} : { failure: { code: failureCode } }),
  };
}
