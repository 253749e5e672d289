import { raw, Router } from 'express';
import type { z } from 'zod';
import { MAX_WEBHOOK_BYTES } from '../../domain/limits.ts';
import type { Logger } from '../../platform/log.ts';
import { verifyWebhook } from '../../provider/stripe/webhook.ts';
import type { Authenticate } from '../http/authentication.ts';
import { methodNotAllowed, Problem } from '../http/problem.ts';
import type { receivedAnswer } from './answers.ts';
import type { Inbox } from './inbox.ts';
import { addReconciliationRoutes } from './reconciliation-routes.ts';
import type { ReconciliationReports } from './reconciliation.ts';
import { addRefundRoutes } from './refund-routes.ts';
import type { CampaignOwnerOf } from './refund-rights.ts';
import type { RefundStore } from './refunds.ts';

export type PaymentsDeps = {
  readonly inbox: Inbox;
  readonly webhookSecrets: readonly string[];
  readonly refunds: RefundStore;
  readonly campaignOwnerOf: CampaignOwnerOf;
  readonly reports: ReconciliationReports;
  readonly authenticate: Authenticate;
  readonly log: Logger;
};

export function paymentsRouter(deps: PaymentsDeps): Router {
  const { inbox, webhookSecrets, log } = deps;
  const router = Router();

  router.post(
    '/webhooks/stripe',
    raw({ type: () => true, limit: MAX_WEBHOOK_BYTES, inflate: false }),
    async (request, response) => {
      const bytes: unknown = request.body;
      const body = Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0);
      const signatures = request.headersDistinct['stripe-signature'] ?? [];
      const verified =
        signatures.length === 1
          ? verifyWebhook(body, signatures[0] ?? '', webhookSecrets, Math.floor(Date.now() / 1_000))
          : null;
      if (verified === null || !verified.ok) {
        log.warn({ reason: verified?.reason ?? 'signature_missing_or_repeated' }, 'webhook refused');
        throw new Problem('invalid_signature');
      }
      await inbox.store(verified.event, body.toString('utf8'));
      const answer: z.infer<typeof receivedAnswer> = { received: true };
      response.status(200).json(answer);
    },
  );
  router.all('/webhooks/stripe', methodNotAllowed('POST'));

  addRefundRoutes(router, deps);
  addReconciliationRoutes(router, deps);
  return router;
}
