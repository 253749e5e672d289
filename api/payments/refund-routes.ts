/** Refunds over HTTP: an operator asks, the database decides, aftercare makes them. */
import type { Request, Router } from 'express';
import { isUuid } from '../../domain/ids.ts';
import { requiredIdempotencyKey } from '../http/idempotency-key.ts';
import { jsonBody, parseBody } from '../http/json-body.ts';
import { signedIn, type Authenticate } from '../http/authentication.ts';
import { methodNotAllowed, Problem } from '../http/problem.ts';
import { refundBody, refundFingerprint } from './refund-body.ts';
import type { Refund, RefundStore } from './refunds.ts';

const SCOPE = 'operator';
const RETRY_AFTER_SECONDS = 1;

export function addRefundRoutes(
  router: Router,
  { refunds, authenticate }: { readonly refunds: RefundStore; readonly authenticate: Authenticate },
): void {
  const operator = signedIn(authenticate, 'operator');

  router.post('/donations/:id/refunds', operator, ...jsonBody, async (request, response) => {
    const donationId = uuidOf(request, 'id');
    const idempotencyKey = requiredIdempotencyKey(request);
    const body = parseBody(request, refundBody);
    const answer = await refunds.ask({
      donationId,
      scope: SCOPE,
      idempotencyKey,
      fingerprint: refundFingerprint(donationId, body),
      amountMinor: body.amount,
      currency: body.currency,
      reason: body.reason,
      requestedBy: SCOPE,
    });
    if (answer.kind === 'refused') throw new Problem(answer.code);
    if (!answer.created) response.set('Idempotent-Replayed', 'true');
    response
      .status(202)
      .location(`/donations/${donationId}/refunds/${answer.refund.id}`)
      .set({ 'Retry-After': String(RETRY_AFTER_SECONDS), 'Cache-Control': 'no-store' })
      .json(toJson(answer.refund));
  });

  router.get('/donations/:id/refunds', operator, async (request, response) => {
    const found = await listed(refunds, request);
    response.set('Cache-Control', 'no-store').json({ data: found.map(toJson), nextCursor: null });
  });
  router.all('/donations/:id/refunds', methodNotAllowed('GET', 'POST'));

  router.get('/donations/:id/refunds/:refundId', operator, async (request, response) => {
    const refundId = uuidOf(request, 'refundId');
    const refund = (await listed(refunds, request)).find(({ id }) => id === refundId);
    if (refund === undefined) throw new Problem('not_found');
    response.set('Cache-Control', 'no-store').json(toJson(refund));
  });
  router.all('/donations/:id/refunds/:refundId', methodNotAllowed('GET'));
}

async function listed(refunds: RefundStore, request: Request): Promise<Refund[]> {
  const found = await refunds.list(uuidOf(request, 'id'));
  if (found === null) throw new Problem('not_found');
  return found;
}

/** In any spelling of its letters; what is no id is the id of nothing. */
function uuidOf(request: Request, name: 'id' | 'refundId'): string {
  const value = request.params[name];
  const id = typeof value === 'string' ? value.toLowerCase() : value;
  if (!isUuid(id)) throw new Problem('not_found');
  return id;
}

function toJson(refund: Refund) {
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
