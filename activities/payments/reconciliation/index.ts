/** What the reconciliation workflow has done in the payments database and at the provider. */
import type { Failpoint } from '../../../platform/failpoint.ts';
import type { Examined, ReconciliationPaymentActivities, Unmatched } from '../../../workflows/ports.ts';
import { readBookPage, recordDifferences, recordMarked } from './books.ts';
import { examineOne, placeOne, type ExamineDeps } from './examine.ts';
import { recordViolations } from './invariants.ts';
import { PAGES } from './pages.ts';
import { recordRepaired, verifyRepairs } from './repairs.ts';
import { beginRun, failRun, finishRun, touchRun } from './runs.ts';

export type ReconciliationDeps = ExamineDeps & {
  readonly failpoint: Failpoint;
  /** Tells Temporal that the activity goes on, and from where another worker can. */
  readonly heartbeat: (progress: Progress) => void;
  /** What the worker before this one had last told; undefined for the first. */
  readonly progress: () => Progress | undefined;
};

/** `isLast`: there is no page after those counted, so that a lost answer is given again. */
export type Progress = Examined & { readonly isLast: boolean };

/** One activity reads this many pages: enough to cost a history little, few enough to end within its time. */
const PAGES_PER_CALL = 50;

export function createReconciliationActivities(deps: ReconciliationDeps): ReconciliationPaymentActivities {
  const { pool } = deps;
  return {
    beginReconciliation: (asked) => beginRun(pool, asked),

    examine: async ({ run, source, cursor }) => {
      let done: Progress = deps.progress() ?? { cursor, count: 0, unmatched: [], isLast: false };
      for (let pages = 0; pages < PAGES_PER_CALL && !done.isLast; pages += 1) {
        const page = await PAGES[source](deps, run, done.cursor);
        const unmatched: Unmatched[] = [];
        for (const id of page.suspects) {
          const found = await examineOne(deps, run, id);
          if (found !== null) unmatched.push(found);
          deps.heartbeat(done);
        }
        done = {
          cursor: page.cursor,
          count: done.count + page.count,
          unmatched: [...done.unmatched, ...unmatched],
          isLast: page.cursor === null,
        };
        deps.heartbeat(done);
        await touchRun(pool, run.runId);
        deps.failpoint('reconciliation.page');
        if (done.unmatched.length > 0) break;
      }
      return { cursor: done.cursor, count: done.count, unmatched: done.unmatched };
    },

    placeUnmatched: async ({ run, unmatched, orders }) => {
      const orderOf = new Map(orders.map((order) => [order.donationId, order]));
      const restart: string[] = [];
      for (const { providerPaymentId, donationId } of unmatched) {
        const order = orderOf.get(donationId ?? '') ?? null;
        const placed = await placeOne(deps, run, providerPaymentId, order);
        if (placed === 'restart' && order !== null) restart.push(order.donationId);
      }
      return { restart };
    },

    bookPage: async (page) => {
      await touchRun(pool, page.run.runId);
      return await readBookPage(pool, page);
    },

    recordDifferences: ({ run, ...found }) => recordDifferences(pool, run, found),
    recordMarked: (run) => recordMarked(pool, run),
    recordViolations: (found) => recordViolations(pool, found),

    verifyRepairs: async (run) => {
      await touchRun(pool, run.runId);
      const goesOn = (): void => deps.heartbeat({ cursor: null, count: 0, unmatched: [], isLast: false });
      return await verifyRepairs(deps, run, goesOn);
    },
    recordRepaired: (looked) => recordRepaired(pool, looked),

    finishReconciliation: ({ run, examined }) => finishRun(pool, run, examined),
    failReconciliation: (runId) => failRun(pool, runId),
  };
}
