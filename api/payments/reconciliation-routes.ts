import type { Router } from 'express';
import { signedIn, type Authenticate } from '../http/authentication.ts';
import { methodNotAllowed, Problem } from '../http/problem.ts';
import { reportCsv, type ReconciliationReports } from './reconciliation.ts';

export function addReconciliationRoutes(
  router: Router,
  { reports, authenticate }: { readonly reports: ReconciliationReports; readonly authenticate: Authenticate },
): void {
  const operator = signedIn(authenticate, 'operator');

  router.get('/admin/reconciliation', operator, async (request, response) => {
    const report = await reports.report();
    if (report === null) throw new Problem('not_found');
    response.set({ 'Cache-Control': 'no-store', Vary: 'Accept' });
    if (request.accepts(['application/json', 'text/csv']) === 'text/csv')
      response.type('text/csv').attachment(`reconciliation-${report.run.id}.csv`).send(reportCsv(report));
    else response.json(report);
  });
  router.all('/admin/reconciliation', methodNotAllowed('GET'));

  router.get('/admin/reviews', operator, async (_request, response) => {
    response.set('Cache-Control', 'no-store').json({ data: await reports.reviews(), nextCursor: null });
  });
  router.all('/admin/reviews', methodNotAllowed('GET'));
}
