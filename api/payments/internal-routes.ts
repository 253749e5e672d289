import { Router } from 'express';
import { isUuid } from '../../domain/ids.ts';
import { internalOnly } from '../http/internal.ts';
import { methodNotAllowed, Problem } from '../http/problem.ts';

/** What payments tells other services, where they run apart. */
export function paymentsInternalRouter(
  internalToken: string,
  clientSecretOf: (donationId: string) => Promise<string | null>,
): Router {
  const router = Router();
  const path = '/internal/payments/:donationId/client-secret';
  router.get(path, internalOnly(internalToken), async (request, response) => {
    const { donationId } = request.params;
    if (!isUuid(donationId)) throw new Problem('not_found');
    response.json({ clientSecret: await clientSecretOf(donationId) });
  });
  router.all(path, internalOnly(internalToken), methodNotAllowed('GET'));
  return router;
}
