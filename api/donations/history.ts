/** What an account has given, newest first. */
import type { Request, Router } from 'express';
import type { Pool } from 'pg';
import type { z } from 'zod';
import { scopeOf } from '../../domain/actor.ts';
import { RANK, type PaymentStatus } from '../../domain/payment.ts';
import { signedIn, userOf, type Authenticate } from '../http/authentication.ts';
import { cursorTime, pageOf, pageSize, readCursor, type Cursor } from '../http/pages.ts';
import { methodNotAllowed, Problem } from '../http/problem.ts';
import type { donationsAnswer } from './answers.ts';
import { DONATION, toJson, type Donation } from './donation.ts';
import type { Scope } from './identity.ts';

export type Wanted = {
  readonly limit: number;
  readonly after: Cursor;
  /** Null: any. */
  readonly status: PaymentStatus | null;
};

type Row = Donation & { readonly cursorTime: string };

export type DonationHistory = {
  /** One row more than `limit` tells whether there is a next page. A guest has no history. */
  of(scope: Scope, wanted: Wanted): Promise<Row[]>;
};

export function createDonationHistory(pool: Pool): DonationHistory {
  return {
    of: async (scope, { limit, after, status }) => {
      const { rows } = await pool.query<Row>({
        // A status is looked up row by row: joined, the planner may read every pledge there is for one donor's.
        name: status === null ? 'history' : 'history-by-status',
        text: `SELECT ${DONATION}, ${cursorTime('r.accepted_at')} AS "cursorTime"
               FROM donation_requests r LEFT JOIN pledges p ON p.id = r.id
               WHERE r.scope = $1 AND r.scope <> 'guest' AND (r.accepted_at, r.id) < ($2::timestamptz, $3::uuid)
                 ${status === null ? '' : `AND coalesce((SELECT s.status FROM pledges s WHERE s.id = r.id), 'INITIATED') = $5`}
               ORDER BY r.accepted_at DESC, r.id DESC LIMIT $4`,
        values: [scope, after.time, after.id, limit + 1, ...(status === null ? [] : [status])],
      });
      return rows;
    },
  };
}

export function addHistoryRoutes(
  router: Router,
  { history, authenticate }: { readonly history: DonationHistory; readonly authenticate: Authenticate },
): void {
  router.get('/me/donations', signedIn(authenticate), async (request, response) => {
    const limit = pageSize(request.query['limit']);
    const wanted = { limit, after: readCursor(request.query['cursor']), status: wantedStatus(request) };
    const rows = await history.of(scopeOf(userOf(request)), wanted);
    const answer: z.infer<typeof donationsAnswer> = pageOf(rows, limit, toJson);
    response.json(answer);
  });
  router.all('/me/donations', methodNotAllowed('GET'));
}

function wantedStatus(request: Request): PaymentStatus | null {
  const { status } = request.query;
  if (status === undefined) return null;
  if (typeof status === 'string' && isStatus(status)) return status;
  throw new Problem('invalid_parameter', { detail: `status is one of ${Object.keys(RANK).join(', ')}` });
}

function isStatus(text: string): text is PaymentStatus {
  return Object.hasOwn(RANK, text);
}
