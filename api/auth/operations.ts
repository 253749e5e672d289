/** The auth service as the API description shows it. */
import { z } from 'zod';
import { headers } from '../http/openapi/headers.ts';
import { BODY_PROBLEMS, DATABASE_PROBLEMS, problems } from '../http/openapi/problems.ts';
import {
  accountOf,
  emptyAnswer,
  jsonAnswer,
  jsonRequest,
  PUBLIC,
  type ServiceDescription,
} from '../http/openapi/service.ts';
import { jwksAnswer, sessionAnswer, tokenPairAnswer, userAnswer, usersAnswer } from './answers.ts';
import { loginBody, passwordBody, refreshBody, registerBody, roleBody } from './bodies.ts';

const user: z.infer<typeof userAnswer> = {
  id: '9b2d4a53-8f6e-4d4c-8b2a-19085d4c3b2a',
  email: 'ada@example.org',
  name: 'Ada',
  role: 'donor',
  createdAt: '2027-01-31T12:00:00.000Z',
};
const pair: z.infer<typeof tokenPairAnswer> = {
  accessToken: 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiI5YjJkIn0.c2ln',
  tokenType: 'Bearer',
  expiresIn: 900,
  refreshToken: 'Zk3v9sT1',
  refreshExpiresIn: 2_592_000,
};
const PASSWORD = 'correct horse battery staple';
const session = { ada: { summary: 'Signed in', value: { user, ...pair, deviceToken: 'dGhpcyBkZXZpY2U' } } };
const one = { ada: { summary: 'An account', value: user } };
const refresh = { token: { summary: 'The newest one', value: { refreshToken: pair.refreshToken } } };
const anybody = [accountOf()];
const operators = [accountOf('operator')];
const BODY = [...BODY_PROBLEMS, ...DATABASE_PROBLEMS] as const;

export const authOperations: ServiceDescription = {
  tags: [{ name: 'Accounts', description: 'Who somebody is, and the tokens that say so.' }],
  paths: {
    '/auth/register': {
      post: {
        operationId: 'register',
        summary: 'Make an account',
        description: 'Whoever registers is a donor; other roles are given by an operator.',
        tags: ['Accounts'],
        security: PUBLIC,
        requestBody: jsonRequest(registerBody, {
          ada: { summary: 'Ada', value: { email: user.email, password: PASSWORD, name: 'Ada' } },
        }),
        responses: {
          '201': jsonAnswer('Registered, and signed in.', sessionAnswer, session, 'Cache-Control'),
          ...problems(...BODY, 'email_taken', 'invalid_credentials'),
        },
      },
    },
    '/auth/login': {
      post: {
        operationId: 'login',
        summary: 'Sign in',
        tags: ['Accounts'],
        security: PUBLIC,
        requestBody: jsonRequest(loginBody, {
          ada: { summary: 'Ada', value: { email: user.email, password: PASSWORD } },
        }),
        responses: {
          '200': jsonAnswer('Signed in.', sessionAnswer, session, 'Cache-Control'),
          ...problems(...BODY, 'invalid_credentials'),
        },
      },
    },
    '/auth/refresh': {
      post: {
        operationId: 'refresh',
        summary: 'The next pair of tokens',
        description: 'Each refresh token is good once.',
        tags: ['Accounts'],
        security: PUBLIC,
        requestBody: jsonRequest(refreshBody, refresh),
        responses: {
          '200': jsonAnswer(
            'A new pair.',
            tokenPairAnswer,
            { pair: { summary: 'Both are new', value: pair } },
            'Cache-Control',
          ),
          ...problems(...BODY, 'session_ended'),
        },
      },
    },
    '/auth/logout': {
      post: {
        operationId: 'logout',
        summary: 'End a session',
        description: 'Of a token that is gone already nothing is left to do.',
        tags: ['Accounts'],
        security: PUBLIC,
        requestBody: jsonRequest(refreshBody, refresh),
        responses: { '204': emptyAnswer('Ended.', 'Cache-Control'), ...problems(...BODY) },
      },
    },
    '/auth/password': {
      post: {
        operationId: 'changePassword',
        summary: 'Choose another password',
        description: 'Ends every session and begins a new one.',
        tags: ['Accounts'],
        security: anybody,
        requestBody: jsonRequest(passwordBody, {
          other: {
            summary: 'Another',
            value: { currentPassword: PASSWORD, newPassword: 'staple battery horse' },
          },
        }),
        responses: {
          '200': jsonAnswer('Changed.', sessionAnswer, session, 'Cache-Control'),
          ...problems(...BODY, 'unauthorized', 'invalid_credentials'),
        },
      },
    },
    '/auth/me': {
      get: {
        operationId: 'readOwnAccount',
        summary: 'Whose access token this is',
        tags: ['Accounts'],
        security: anybody,
        responses: {
          '200': jsonAnswer('The account.', userAnswer, one, 'Cache-Control'),
          ...problems('unauthorized', ...DATABASE_PROBLEMS),
        },
      },
    },
    '/.well-known/jwks.json': {
      get: {
        operationId: 'readKeys',
        summary: 'The keys that access tokens are checked with',
        tags: ['Accounts'],
        security: PUBLIC,
        responses: {
          '200': {
            description: 'A JSON Web Key Set.',
            headers: headers('Cache-Control'),
            content: {
              'application/jwk-set+json': {
                schema: jwksAnswer,
                examples: {
                  one: {
                    summary: 'One key',
                    value: {
                      keys: [{ kty: 'RSA', kid: 'k1', use: 'sig', alg: 'RS256', n: 'w5J0', e: 'AQAB' }],
                    },
                  },
                },
              },
            },
          },
          ...problems(...DATABASE_PROBLEMS),
        },
      },
    },
    '/admin/users': {
      get: {
        operationId: 'findUsers',
        summary: 'Find an account by its e-mail address',
        tags: ['Operators'],
        security: operators,
        requestParams: { query: z.object({ email: z.email() }) },
        responses: {
          '200': jsonAnswer(
            'One, or none.',
            usersAnswer,
            { one: { summary: 'Found', value: { data: [user], nextCursor: null } } },
            'Cache-Control',
          ),
          ...problems('invalid_parameter', 'unauthorized', 'forbidden', ...DATABASE_PROBLEMS),
        },
      },
    },
    '/admin/users/{id}/role': {
      put: {
        operationId: 'setRole',
        summary: 'Give an account another role',
        description: 'Ends its sessions, so that none goes on with the old one.',
        tags: ['Operators'],
        security: operators,
        requestParams: { path: z.object({ id: z.uuid().meta({ description: 'Of an account.' }) }) },
        requestBody: jsonRequest(roleBody, {
          organizer: { summary: 'May run campaigns', value: { role: 'organizer' } },
        }),
        responses: {
          '200': jsonAnswer('As it is now.', userAnswer, one, 'Cache-Control'),
          ...problems(...BODY, 'unauthorized', 'forbidden', 'not_found', 'last_operator'),
        },
      },
    },
  },
};
