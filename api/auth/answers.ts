/** What the auth service answers. */
import { z } from 'zod';
import { ROLES } from '../../domain/actor.ts';
import { pageOf, time } from '../http/openapi/fields.ts';

export const userAnswer = z
  .object({
    id: z.uuid(),
    email: z.string(),
    name: z.string().nullable(),
    role: z.enum(ROLES),
    createdAt: time,
  })
  .meta({ id: 'User' });

export const usersAnswer = pageOf('Users', userAnswer);

const seconds = z.int().min(1).meta({ description: 'In seconds.' });
const pair = {
  accessToken: z.string().meta({ description: 'A JWT (RS256); goes into `Authorization: Bearer`.' }),
  tokenType: z.literal('Bearer'),
  expiresIn: seconds,
  refreshToken: z
    .string()
    .meta({ description: 'Good once: for the next pair. Used again, it ends its session.' }),
  refreshExpiresIn: seconds,
};

export const tokenPairAnswer = z.object(pair).meta({ id: 'TokenPair' });

export const sessionAnswer = z
  .object({
    user: userAnswer,
    ...pair,
    deviceToken: z.string().meta({
      description: 'Show it at the next login from here: then strangers who guess cannot shut the owner out.',
    }),
  })
  .meta({ id: 'Session' });

export const jwksAnswer = z
  .object({
    keys: z.array(
      z.object({
        kty: z.literal('RSA'),
        kid: z.string(),
        use: z.literal('sig'),
        alg: z.literal('RS256'),
        n: z.string(),
        e: z.string(),
      }),
    ),
  })
  .meta({ id: 'JsonWebKeySet', description: 'RFC 7517.' });
