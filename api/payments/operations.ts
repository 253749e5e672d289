/** The payments service as the API description shows it. */
import { z } from 'zod';
import { idempotencyKeyHeader } from '../http/openapi/fields.ts';
import { headers } from '../http/openapi/headers.ts';
import {
  BODY_PROBLEMS,
  DATABASE_PROBLEMS,
  KEY_PROBLEMS,
  problems,
  unlimitedProblems,
} from '../http/openapi/problems.ts';
import {
  accountOf,
  jsonAnswer,
  jsonRequest,
  WEBHOOK_SIGNATURE,
  type ServiceDescription,
} from '../http/openapi/service.ts';
import {
  receivedAnswer,
  reconciliationAnswer,
  refundAnswer,
  refundsAnswer,
  reviewsAnswer,
} from './answers.ts';
import { refundBody } from './refund-body.ts';

const refund = {
  id: '1f0a7c1e-9b2d-4a53-8f6e-5d4c3b2a1908',
  donationId: '0d9c3f6e-5a1b-8c2d-9e4f-1a2b3c4d5e6f',
  amount: 1000,
  currency: 'USD',
  status: 'pending',
  requestedBy: 'organizer:9b2d4a53-8f6e-4d4c-8b2a-19085d4c3b2a',
  createdAt: '2027-01-31T12:00:00.000Z',
  reason: 'Given twice by mistake',
};
const review = {
  id: '5b6f2f1d-3c0e-4d7a-9a55-0c1d2e3f4a5b',
  class: 'AMOUNT',
  subject: 'pi_3PqX',
  donationId: refund.donationId,
  providerPaymentId: 'pi_3PqX',
  providerRefundId: null,
  expected: 2500,
  found: 2600,
  firstSeenAt: '2027-01-31T12:00:00.000Z',
  lastSeenAt: '2027-01-31T13:00:00.000Z',
  ageSeconds: 3600,
};
const { id: _id, firstSeenAt: foundAt, lastSeenAt: _last, ageSeconds: _age, ...difference } = review;
const report = {
  schema: 'careforall.reconciliation.v1',
  run: {
    id: 'a3bb189e-8bf9-4888-9912-ace4e6543002',
    kind: 'full',
    dryRun: false,
    from: '2027-01-30T12:00:00.000Z',
    startedAt: '2027-01-31T12:00:00.000Z',
    finishedAt: '2027-01-31T12:00:04.000Z',
    status: 'finished',
    counts: { examined: 1200, findings: 1, repaired: 0, unrepaired: 0, openReviews: 1 },
  },
  classes: { AMOUNT: 1 },
  findings: [{ ...difference, action: 'review', foundAt, repairedAt: null }],
  reviews: [review],
};

const donation = z.uuid().meta({ param: { id: 'RefundedDonationId', description: 'Of a donation.' } });
const operators = [accountOf('operator')];
/** An organizer has only what their own campaigns got; to them the rest does not exist. */
const staff = [accountOf('organizer', 'operator')];
const OPERATORS_ONLY = ['unauthorized', 'forbidden', ...DATABASE_PROBLEMS] as const;
const STAFF_ONLY = [...OPERATORS_ONLY, 'not_found', 'campaigns_unavailable'] as const;

export const paymentsOperations: ServiceDescription = {
  tags: [
    { name: 'Refunds', description: 'Giving donations back.' },
    { name: 'Operators', description: 'For the people who run the platform.' },
    { name: 'Webhooks', description: 'For the payment provider.' },
  ],
  paths: {
    '/donations/{id}/refunds': {
      post: {
        operationId: 'refundDonation',
        summary: 'Give a donation back, or a part of it',
        description: 'Without an amount, all that is left. Decided at once; the money goes back later.',
        tags: ['Refunds'],
        security: staff,
        requestParams: {
          path: z.object({ id: donation }),
          header: z.object({ 'Idempotency-Key': idempotencyKeyHeader }),
        },
        requestBody: jsonRequest(refundBody, {
          part: {
            summary: '10.00 USD',
            value: { amount: 1000, currency: 'USD', reason: 'Given twice by mistake' },
          },
          rest: { summary: 'All that is left', value: {} },
        }),
        responses: {
          '202': jsonAnswer(
            'Reserved; what becomes of it is at `Location`.',
            refundAnswer,
            { pending: { summary: 'Asked for', value: refund } },
            'Location',
            'Retry-After',
            'Idempotent-Replayed',
            'Cache-Control',
          ),
          ...problems(
            ...BODY_PROBLEMS,
            ...KEY_PROBLEMS,
            ...STAFF_ONLY,
            'currency_mismatch',
            'not_refundable',
            'dispute_open',
            'refund_exceeds_captured',
          ),
        },
      },
      get: {
        operationId: 'listRefunds',
        summary: 'The refunds of a donation, oldest first',
        tags: ['Refunds'],
        security: staff,
        requestParams: { path: z.object({ id: donation }) },
        responses: {
          '200': jsonAnswer(
            'All of them.',
            refundsAnswer,
            { one: { summary: 'One refund', value: { data: [refund], nextCursor: null } } },
            'Cache-Control',
          ),
          ...problems(...STAFF_ONLY),
        },
      },
    },
    '/donations/{id}/refunds/{refundId}': {
      get: {
        operationId: 'readRefund',
        summary: 'A refund as it is now',
        tags: ['Refunds'],
        security: staff,
        requestParams: { path: z.object({ id: donation, refundId: z.uuid() }) },
        responses: {
          '200': jsonAnswer(
            'The refund.',
            refundAnswer,
            {
              failed: {
                summary: 'The bank did not take it',
                value: { ...refund, status: 'failed', failure: { code: 'expired_or_canceled_card' } },
              },
            },
            'Cache-Control',
          ),
          ...problems(...STAFF_ONLY),
        },
      },
    },
    '/admin/reconciliation': {
      get: {
        operationId: 'readReconciliation',
        summary: 'The newest finished reconciliation',
        description: '`Accept: text/csv` gives the findings as a table.',
        tags: ['Operators'],
        security: operators,
        responses: {
          '200': {
            description: 'The report.',
            headers: headers('Cache-Control', 'Vary'),
            content: {
              'application/json': {
                schema: reconciliationAnswer,
                examples: { found: { summary: 'One thing to look at', value: report } },
              },
              'text/csv': { schema: { type: 'string' } },
            },
          },
          ...problems(...OPERATORS_ONLY, 'not_found'),
        },
      },
    },
    '/admin/reviews': {
      get: {
        operationId: 'listReviews',
        summary: 'What people have to look at, oldest first',
        tags: ['Operators'],
        security: operators,
        responses: {
          '200': jsonAnswer(
            'All that is open.',
            reviewsAnswer,
            { one: { summary: 'One', value: { data: [review], nextCursor: null } } },
            'Cache-Control',
          ),
          ...problems(...OPERATORS_ONLY),
        },
      },
    },
    '/webhooks/stripe': {
      post: {
        operationId: 'receiveStripeEvent',
        summary: 'Take an event of the payment provider',
        description:
          'A hint only: what it is about is fetched. A repeated, unknown or unmatched event is taken, too.',
        tags: ['Webhooks'],
        security: [WEBHOOK_SIGNATURE],
        requestBody: {
          required: true,
          content: {
            'application/json': {
              schema: {
                type: 'object',
                description: 'Stripe’s Event object, byte for byte as it was signed.',
              },
            },
          },
        },
        responses: {
          '200': jsonAnswer('Stored.', receivedAnswer, {
            received: { summary: 'Stored, now or before', value: { received: true } },
          }),
          ...unlimitedProblems(
            'invalid_signature',
            'body_too_large',
            'unsupported_media_type',
            ...DATABASE_PROBLEMS,
          ),
        },
      },
    },
  },
};
