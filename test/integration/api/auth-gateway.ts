/** The auth service as api/main.ts wires it, in this process: several of them stand for several processes. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { Express } from 'express';
import type { Redis } from 'ioredis';
import type { Pool } from 'pg';
import { createDeviceTokens } from '../../../api/auth/device-tokens.ts';
import { createLoginLimits } from '../../../api/auth/login-limits.ts';
import { createPasswords, type Passwords } from '../../../api/auth/passwords.ts';
import { authRouter } from '../../../api/auth/router.ts';
import { openSigningKeys, type SigningKeys } from '../../../api/auth/signing-keys.ts';
import { accessTokens } from '../../../api/http/access-tokens.ts';
import { closeServer, createApp, listen } from '../../../api/http/app.ts';
import { clientsBehind } from '../../../api/http/client-address.ts';
import { createVerificationKeys, type VerificationKeys } from '../../../api/http/verification-keys.ts';
import { SERVICES } from '../../../api/services.ts';
import type { Role } from '../../../domain/actor.ts';
import type { AuthSettings } from '../../../platform/auth-settings.ts';
import { loadConfig } from '../../../platform/config.ts';
import { createLogger } from '../../../platform/log.ts';
import { createPool } from '../../../platform/postgres.ts';
import { conforms } from '../../harness/api-document.ts';
import { json, send, type Answer } from './http-client.ts';

export const AUTH_SECRET = 'a secret of the tests, long enough for the platform';
/** A real hash that costs little: what it costs in production has tests of its own. */
export const CHEAP = { memoryKiB: 64, passes: 1, lanes: 1 } as const;
const silent = createLogger('test', 'silent');

export type AuthGateway = AsyncDisposable & {
  readonly app: Express;
  readonly port: number;
  readonly pool: Pool;
  readonly settings: AuthSettings;
  readonly verification: VerificationKeys;
  /** A body is sent as JSON; `token` as Bearer. */
  call(method: string, path: string, body?: object, token?: string, from?: string): Promise<Answer>;
};

export async function startAuthGateway(options: {
  readonly url: string;
  readonly settings?: Partial<AuthSettings>;
  readonly passwords?: Passwords;
  readonly redis?: Redis | null;
  /** What the service has for the signing keys of the database. */
  readonly keysAs?: (keys: SigningKeys) => SigningKeys;
  /** Instead of the database's own. */
  readonly published?: () => Promise<readonly unknown[]>;
}): Promise<AuthGateway> {
  const config = loadConfig([], {});
  const settings = { ...config.AUTH, ...options.settings };
  const pool = createPool({ url: options.url, max: 8, name: 'test-auth' });
  const keys = await openSigningKeys(pool, AUTH_SECRET);
  const published = options.published ?? keys.published;
  const verification = createVerificationKeys({ published, settings, log: silent });
  const app = createApp({
    log: silent,
    limits: {
      limits: config.LIMITS,
      clientOf: clientsBehind(config.TRUSTED_PROXIES),
      store: null,
    },
    breakers: [],
    ready: () => Promise.resolve(),
    describes: SERVICES,
    routers: [
      authRouter({
        pool,
        keys: options.keysAs?.(keys) ?? keys,
        passwords: options.passwords ?? createPasswords({ cost: CHEAP }),
        limits: createLoginLimits(settings, AUTH_SECRET, options.redis ?? null),
        devices: createDeviceTokens(AUTH_SECRET, settings.deviceTokenSeconds),
        authenticate: accessTokens({ keys: verification, settings }),
        // Each test comes from an address of its own, so that none uses up another's limits.
        clientAddress: (request) => request.get('x-from') ?? 'nowhere',
        settings,
      }),
    ],
  });
  const { server, port } = await listen(app, 0, '127.0.0.1');
  return {
    app,
    port,
    pool,
    settings,
    verification,
    call: async (method, path, body, token, from = 'nowhere') => {
      const answer = await send(port, {
        method,
        path,
        headers: [
          ['X-From', from],
          ...(body === undefined ? [] : [['Content-Type', 'application/json'] as const]),
          ...(token === undefined ? [] : [['Authorization', `Bearer ${token}`] as const]),
        ],
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      conforms(method, path, answer);
      return answer;
    },
    async [Symbol.asyncDispose]() {
      await closeServer(server);
      await pool.end();
    },
  };
}

export type SessionAnswer = {
  readonly user: {
    readonly id: string;
    readonly email: string;
    readonly name: string | null;
    readonly role: Role;
  };
  readonly accessToken: string;
  readonly tokenType: string;
  readonly expiresIn: number;
  readonly refreshToken: string;
  readonly refreshExpiresIn: number;
  readonly deviceToken: string;
};

export type Person = SessionAnswer & { readonly email: string; readonly password: string };

export function newEmail(): string {
  return `ana-${randomBytes(6).toString('hex')}@example.org`;
}

/** Somebody who has just registered, from an address of their own. */
export async function newPerson(
  gateway: Pick<AuthGateway, 'call' | 'pool'>,
  role: Role = 'donor',
): Promise<Person> {
  const credentials = { email: newEmail(), password: `pass ${randomUUID()}` };
  const answer = await gateway.call('POST', '/auth/register', credentials, undefined, randomUUID());
  if (answer.status !== 201) throw new Error(`not registered: ${answer.status} ${answer.text}`);
  if (role === 'donor') return { ...session(answer), ...credentials };
  await gateway.pool.query('UPDATE users SET role = $2 WHERE email = $1', [credentials.email, role]);
  const login = await gateway.call('POST', '/auth/login', credentials, undefined, randomUUID());
  return { ...session(login), ...credentials };
}

export function session(answer: Answer): SessionAnswer {
  if (answer.status >= 300) throw new Error(`no session: ${answer.status} ${answer.text}`);
  return json(answer) as SessionAnswer;
}

/** What the token says, unchecked. */
export function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as Record<
    string,
    unknown
  >;
}
