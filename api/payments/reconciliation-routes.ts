import type { Router } from 'express';
import type { z } from 'zod';
import { signedIn, type Authenticate } from '../http/authentication.ts';
import { methodNotAllowed, Problem } from '../http/problem.ts';
import type { reconciliationAnswer, reviewAnswer, reviewsAnswer } from './answers.ts';
import {
  reportCsv,
  type ReconciliationReport,
  type ReconciliationReports,
  type Review,
} from './reconciliation.ts';

export function addReconciliationRoutes(
  router: Router,
  { reports, authenticate }: { readonly reports: ReconciliationReports; readonly authenticate: Authenticate },
): void {
  const operator = signedIn(authenticate, 'operator');

  router.get('/admin/reconciliation', operator, async (request, response) => {
    const report = await reports.report();
    if (report === null) throw new Problem('not_found');
    response.vary('Accept');
    if (request.accepts(['application/json', 'text/csv']) === 'text/csv')
      response.type('text/csv').attachment(`reconciliation-${report.run.id}.csv`).send(reportCsv(report));
    else response.json(reportToJson(report));
  });
  router.all('/admin/reconciliation', methodNotAllowed('GET'));

  router.get('/admin/reviews', operator, async (_request, response) => {
    const answer: z.infer<typeof reviewsAnswer> = {
      data: (await reports.reviews()).map(reviewToJson),
      nextCursor: null,
    };
    response.json(answer);
  });
  router.all('/admin/reviews', methodNotAllowed('GET'));
}

function reportToJson({
  schema,
  run,
  classes,
  findings,
  reviews,
}: ReconciliationReport): z.infer<typeof reconciliationAnswer> {
  const { from, startedAt, finishedAt, ...rest } = run;
  return {
    schema,
    run: {
      ...rest,
      from: from.toISOString(),
      startedAt: startedAt.toISOString(),
      finishedAt: finishedAt?.toISOString() ?? null,
    },
    classes,
    findings: findings.map(({ foundAt, repairedAt, ...finding }) => ({
      ...finding,
      foundAt: foundAt.toISOString(),
      repairedAt: repairedAt?.toISOString() ?? null,
    })),
    reviews: reviews.map(reviewToJson),
  };
}

function reviewToJson({ firstSeenAt, lastSeenAt, ...review }: Review): z.infer<typeof reviewAnswer> {
  return { ...review, firstSeenAt: firstSeenAt.toISOString(), lastSeenAt: lastSeenAt.toISOString() };
}
