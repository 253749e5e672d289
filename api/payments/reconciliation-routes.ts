import type { Router } from 'express';
import { operatorOnly } from '../http/operator.ts';
import { methodNotAllowed, Problem } from '../http/problem.ts';
import { reportCsv, type ReconciliationReports } from './reconciliation.ts';

export function addReconciliationRoutes(
  router: Router,
  { reports, operatorToken }: { readonly reports: ReconciliationReports; readonly operatorToken: string },
): void {
  const operator = operatorOnly(operatorToken);

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
