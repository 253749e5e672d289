/** The donations service as the API description shows it. */
import { z } from 'zod';
import { PREFER_WAIT_MAX_SECONDS } from '../../domain/limits.ts';
import { idempotencyKeyHeader, pageQuery } from '../http/openapi/fields.ts';
import { BODY_PROBLEMS, DATABASE_PROBLEMS, KEY_PROBLEMS, problems } from '../http/openapi/problems.ts';
import {
  accountOf,
  DONOR_TOKEN,
  emptyAnswer,
  eventStream,
  GUEST,
  jsonAnswer,
  jsonRequest,
  type ServiceDescription,
} from '../http/openapi/service.ts';
import {
  acceptedDonationAnswer,
  donationAnswer,
  donationsAnswer,
  paymentStatus,
  readDonationAnswer,
} from './answers.ts';
import { donateBody } from './donate.ts';

const ID = '0d9c3f6e-5a1b-8c2d-9e4f-1a2b3c4d5e6f';
const CAMPAIGN = '7c9e6679-7425-40de-944b-e07fc1f90ae7';
const TOKEN = 'pQ2mX0c1Yt9vB6sJ4nLrW8uKdZ3hEfGa7TiOy5xMNbA';
const accepted = {
  id: ID,
  status: 'INITIATED',
  campaignId: CAMPAIGN,
  amount: 2500,
  currency: 'USD',
  version: 0,
  createdAt: '2027-01-31T12:00:00.000Z',
};
const captured = { ...accepted, status: 'CAPTURED', version: 2 };
const declined = { ...accepted, status: 'FAILED', version: 1, failure: { code: 'card_declined' } };

const path = z.object({ id: z.uuid().meta({ param: { id: 'DonationId', description: 'Of a donation.' } }) });
const prefer = z
  .string()
  .optional()
  .meta({
    description: `RFC 7240. \`wait=N\` holds the answer until the payment is decided, at most N and ${PREFER_WAIT_MAX_SECONDS} seconds.`,
    examples: ['wait=5'],
    param: { id: 'Prefer' },
  });
const lastEventId = z
  .string()
  .optional()
  .meta({ description: 'The version that was seen last.', param: { id: 'LastDonationEvent' } });
const security = [DONOR_TOKEN, accountOf()];
/** To whoever may not see it, a donation does not exist. */
const UNREADABLE = ['unauthorized', 'not_found', ...DATABASE_PROBLEMS] as const;
const ACCEPTED_HEADERS = [
  'Location',
  'Retry-After',
  'Idempotent-Replayed',
  'Preference-Applied',
  'Cache-Control',
] as const;

export const donationsOperations: ServiceDescription = {
  tags: [{ name: 'Donations', description: 'Giving, and following what became of it.' }],
  paths: {
    '/donate': {
      post: {
        operationId: 'donate',
        summary: 'Give to a campaign',
        description: 'Once it is answered with 2xx, the donation is durable and goes on by itself.',
        tags: ['Donations'],
        security: [GUEST, accountOf()],
        requestParams: { header: z.object({ 'Idempotency-Key': idempotencyKeyHeader, Prefer: prefer }) },
        requestBody: jsonRequest(donateBody, {
          dollars: {
            summary: '25.00 USD',
            value: { campaignId: CAMPAIGN, amount: 2500, currency: 'USD', paymentMethod: 'pm_card_visa' },
          },
          yen: {
            summary: '2500 JPY: a yen has no smaller unit',
            value: { campaignId: CAMPAIGN, amount: 2500, currency: 'JPY', paymentMethod: 'pm_card_visa' },
          },
          dinars: {
            summary: '2.500 BHD, anonymously and with a message',
            value: {
              campaignId: CAMPAIGN,
              amount: 2500,
              currency: 'BHD',
              paymentMethod: 'pm_card_visa',
              donor: { name: 'Ada', email: 'ada@example.org', anonymous: true },
              message: 'Get well soon',
            },
          },
        }),
        responses: {
          '201': jsonAnswer(
            'Only with `Prefer: wait`: the payment is decided, declines included.',
            acceptedDonationAnswer,
            {
              captured: { summary: 'Paid', value: { ...captured, donorToken: TOKEN } },
              declined: { summary: 'Declined', value: { ...declined, donorToken: TOKEN } },
            },
            ...ACCEPTED_HEADERS,
          ),
          '202': jsonAnswer(
            'Stored; what becomes of it is at `Location`.',
            acceptedDonationAnswer,
            { accepted: { summary: 'Of a guest', value: { ...accepted, donorToken: TOKEN } } },
            ...ACCEPTED_HEADERS,
          ),
          ...problems(
            ...BODY_PROBLEMS,
            ...KEY_PROBLEMS,
            'unauthorized',
            'campaign_not_found',
            'campaign_closed',
            'currency_mismatch',
            'campaigns_unavailable',
            ...DATABASE_PROBLEMS,
          ),
        },
      },
    },
    '/donations/{id}': {
      get: {
        operationId: 'readDonation',
        summary: 'A donation as it is now',
        tags: ['Donations'],
        security,
        requestParams: { path },
        responses: {
          '200': jsonAnswer(
            'The donation.',
            readDonationAnswer,
            {
              captured: { summary: 'Paid', value: captured },
              waiting: {
                summary: 'The donor has to confirm',
                value: { ...accepted, clientSecret: 'pi_3PqX_secret_9aB' },
              },
            },
            'Cache-Control',
          ),
          ...problems(...UNREADABLE),
        },
      },
    },
    '/donations/{id}/cancel': {
      post: {
        operationId: 'cancelDonation',
        summary: 'Take a donation back before it is captured',
        description: 'Asking again changes nothing.',
        tags: ['Donations'],
        security,
        requestParams: { path },
        responses: {
          '202': jsonAnswer(
            'It will not be captured; it ends as FAILED, `cancelled_by_donor`.',
            donationAnswer,
            { cancelled: { summary: 'Asked for', value: accepted } },
            'Location',
            'Retry-After',
            'Cache-Control',
          ),
          ...problems(...UNREADABLE, 'cancel_too_late'),
        },
      },
    },
    '/me/donations': {
      get: {
        operationId: 'listOwnDonations',
        summary: 'What an account has given, newest first',
        tags: ['Donations'],
        security: [accountOf()],
        requestParams: { query: pageQuery.extend({ status: paymentStatus.optional() }) },
        responses: {
          '200': jsonAnswer(
            'A page of them.',
            donationsAnswer,
            { last: { summary: 'The last page', value: { data: [captured], nextCursor: null } } },
            'Cache-Control',
          ),
          ...problems('unauthorized', 'invalid_parameter', ...DATABASE_PROBLEMS),
        },
      },
    },
    '/donations/{id}/events': {
      get: {
        operationId: 'followDonation',
        summary: 'A donation as it goes on',
        description:
          'Server-sent events of type `donation`; the `data` of each is a Donation, its `id` the version.',
        tags: ['Donations'],
        security,
        requestParams: { path, header: z.object({ 'Last-Event-ID': lastEventId }) },
        responses: {
          '200': eventStream(
            'Open until the donation has ended.',
            'Donation',
            `retry: 1000\n\nevent: donation\nid: 2\ndata: ${JSON.stringify(captured)}\n\n`,
          ),
          '204': emptyAnswer('`Last-Event-ID` was the last there will be: do not reconnect.'),
          ...problems(...UNREADABLE),
        },
      },
    },
  },
};
