import {
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  randomUUID,
  sign,
  type JsonWebKey,
} from 'node:crypto';
import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openSigningKeys, type SigningKey } from '../../../api/auth/signing-keys.ts';
import { createPool } from '../../../platform/postgres.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { AUTH_SECRET, newPerson, startAuthGateway, type AuthGateway, type Person } from './auth-gateway.ts';
import { json, problem, send } from './http-client.ts';

const { urls } = isolatedDatabases(['auth']);
let gateway: AuthGateway;
let ana: Person;
/** The platform's own key: what is forged below is as well made as anybody with less could make it. */
let signing: SigningKey;
let published: JsonWebKey;
beforeAll(async () => {
  gateway = await startAuthGateway({ url: urls.auth });
  ana = await newPerson(gateway);
  const pool = createPool({ url: urls.auth, max: 1, name: 'test' });
  signing = await (await openSigningKeys(pool, AUTH_SECRET)).current();
  await pool.end();
  const answer = await gateway.call('GET', '/.well-known/jwks.json');
  published = (json(answer) as { keys: JsonWebKey[] }).keys[0] ?? {};
});
afterAll(() => gateway[Symbol.asyncDispose]());

const now = Math.floor(Date.now() / 1_000);
const claims = (changes: object = {}): object => ({
  iss: 'careforall',
  aud: 'careforall-api',
  sub: ana.user.id,
  role: 'donor',
  iat: now,
  exp: now + 600,
  jti: randomUUID(),
  ...changes,
});
const header = (changes: object = {}): object => ({
  alg: 'RS256',
  typ: 'at+jwt',
  kid: signing.kid,
  ...changes,
});
const base64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
/** With the right key, whatever the header and the claims say. */
const signed = (head: object, body: object): string => {
  const input = `${base64(head)}.${base64(body)}`;
  return `${input}.${sign('sha256', Buffer.from(input), signing.privateKey).toString('base64url')}`;
};
const meStatus = async (token: string): Promise<number> =>
  (await gateway.call('GET', '/auth/me', undefined, token)).status;
const without = (name: string): object =>
  Object.fromEntries(Object.entries(claims()).filter(([claim]) => claim !== name));

test('a token that is right in all of this counts', async () => {
  expect(await meStatus(signed(header(), claims()))).toBe(200);
});

describe('a forged token is 401:', () => {
  const forgeries: readonly (readonly [string, () => string])[] = [
    ['alg none without a signature', () => `${base64(header({ alg: 'none' }))}.${base64(claims())}.`],
    ['alg none in capitals', () => `${base64(header({ alg: 'NONE' }))}.${base64(claims())}.`],
    [
      'alg none with the signature of another one',
      () => `${base64(header({ alg: 'none' }))}.${base64(claims())}.${ana.accessToken.split('.')[2] ?? ''}`,
    ],
    [
      'HS256 with the public key (PEM) as secret',
      () => {
        const pem = createPublicKey({ key: published, format: 'jwk' }).export({
          type: 'spki',
          format: 'pem',
        });
        const input = `${base64(header({ alg: 'HS256' }))}.${base64(claims())}`;
        return `${input}.${createHmac('sha256', pem).update(input).digest('base64url')}`;
      },
    ],
    [
      'HS256 under a header that says RS256',
      () => {
        const pem = createPublicKey({ key: published, format: 'jwk' }).export({
          type: 'spki',
          format: 'pem',
        });
        const input = `${base64(header())}.${base64(claims())}`;
        return `${input}.${createHmac('sha256', pem).update(input).digest('base64url')}`;
      },
    ],
    ['a key id that is a path', () => signed(header({ kid: '../../dev/null' }), claims())],
    ['a key id that is SQL', () => signed(header({ kid: `' OR 1=1 --` }), claims())],
    ['a key id of Object.prototype', () => signed(header({ kid: '__proto__' }), claims())],
    ['a key id that is no text', () => signed(header({ kid: 7 }), claims())],
    ['a key id that nobody knows', () => signed(header({ kid: randomUUID() }), claims())],
    ['no key id', () => signed({ alg: 'RS256', typ: 'at+jwt' }, claims())],
    [
      'a key of somebody else under our key id',
      () => {
        const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
        return jwt.sign(claims(), privateKey, {
          algorithm: 'RS256',
          header: { alg: 'RS256', typ: 'at+jwt', kid: signing.kid },
        });
      },
    ],
    ...(['RS384', 'RS512', 'PS256'] as const).map(
      (algorithm) =>
        [
          `${algorithm} with our own key`,
          (): string =>
            jwt.sign(claims(), signing.privateKey, {
              algorithm,
              header: { alg: algorithm, typ: 'at+jwt', kid: signing.kid },
            }),
        ] as const,
    ),
    ['no type', () => signed({ alg: 'RS256', kid: signing.kid }, claims())],
    ['the type of any JWT', () => signed(header({ typ: 'JWT' }), claims())],
    ['the type of a logout token', () => signed(header({ typ: 'logout+jwt' }), claims())],
    ...['jku', 'x5u', 'jwk', 'x5c', 'crit', 'b64'].map(
      (name) =>
        [
          `the header ${name}`,
          (): string =>
            signed(header({ [name]: name === 'crit' ? ['exp'] : 'https://example.org/keys' }), claims()),
        ] as const,
    ),
    ['no exp', () => signed(header(), without('exp'))],
    ['an exp that has passed', () => signed(header(), claims({ iat: now - 700, exp: now - 1 }))],
    ['an exp that is text', () => signed(header(), claims({ exp: '9999999999' }))],
    ['no iat', () => signed(header(), without('iat'))],
    ['an iat of next hour', () => signed(header(), claims({ iat: now + 3_600, exp: now + 4_000 }))],
    ['an iat after its exp', () => signed(header(), claims({ iat: now + 30, exp: now + 20 }))],
    ['an nbf that is text', () => signed(header(), claims({ nbf: '0' }))],
    ['an exp without end', () => signed(header(), claims({ exp: null }))],
    ['claims that are a list', () => signed(header(), [claims()])],
    [
      'a signature with characters that a decoder may skip',
      () => `${ana.accessToken.slice(0, -9)}!${ana.accessToken.slice(-9)}`,
    ],
    ['a signature in base64', () => `${ana.accessToken}==`],
    ['an nbf of next hour', () => signed(header(), claims({ nbf: now + 3_600 }))],
    ['another audience', () => signed(header(), claims({ aud: 'careforall-admin' }))],
    ['an audience among others', () => signed(header(), claims({ aud: ['careforall-api', 'other'] }))],
    ['no audience', () => signed(header(), without('aud'))],
    ['another issuer', () => signed(header(), claims({ iss: 'https://careforall.example.org' }))],
    ['no issuer', () => signed(header(), without('iss'))],
    ['no subject', () => signed(header(), without('sub'))],
    ['a subject that is no UUID', () => signed(header(), claims({ sub: 'ana' }))],
    ['no role', () => signed(header(), without('role'))],
    ['a role that nobody knows', () => signed(header(), claims({ role: 'root' }))],
    ['a role of Object.prototype', () => signed(header(), claims({ role: 'constructor' }))],
    ['two roles', () => signed(header(), claims({ role: ['donor', 'operator'] }))],
    ['no jti', () => signed(header(), without('jti'))],
    [
      'a role that was changed afterwards',
      () => {
        const [head = '', , signature = ''] = ana.accessToken.split('.');
        return `${head}.${base64(claims({ role: 'operator' }))}.${signature}`;
      },
    ],
    ['a signature cut short', () => ana.accessToken.slice(0, -8)],
    ['no signature', () => ana.accessToken.slice(0, ana.accessToken.lastIndexOf('.') + 1)],
    ['a fourth part', () => `${ana.accessToken}.e30`],
    [
      'claims that are no object',
      () => `${base64(header())}.${Buffer.from('"ana"').toString('base64url')}.AAAA`,
    ],
    ['a header that is no JSON', () => `bm90anNvbg.${base64(claims())}.AAAA`],
    ['a header that is null', () => `bnVsbA.${base64(claims())}.AAAA`],
    ['a refresh token', () => ana.refreshToken],
    ['a device token', () => ana.deviceToken],
    ['5,000 characters', () => `${ana.accessToken}${'A'.repeat(5_000)}`],
    ['dots alone', () => '..'],
  ];
  test.each(forgeries)('%s', async (_, forge) => {
    const answer = await gateway.call('GET', '/auth/me', undefined, forge());
    expect([answer.status, problem(answer).code]).toEqual([401, 'unauthorized']);
    expect(answer.headers['www-authenticate']).toBe('Bearer');
  });
});

test('two Authorization headers are none, whichever of them is right', async () => {
  const right = ['Authorization', `Bearer ${ana.accessToken}`] as const;
  const wrong = ['Authorization', 'Bearer nonsense'] as const;
  for (const headers of [
    [right, wrong],
    [wrong, right],
    [right, right],
  ]) {
    expect((await send(gateway.port, { path: '/auth/me', headers })).status).toBe(401);
  }
});

test('a token that counted a moment ago counts no more once it has expired', async () => {
  const soon = Math.floor(Date.now() / 1_000) + 2;
  const token = signed(header(), claims({ exp: soon }));
  expect(await meStatus(token)).toBe(200);
  await new Promise((resolve) => setTimeout(resolve, soon * 1_000 - Date.now() + 50));
  expect(await meStatus(token)).toBe(401);
});

test('a token of an account that is not there is 401', async () => {
  expect(await meStatus(signed(header(), claims({ sub: randomUUID() })))).toBe(401);
});
