/** Every operation of the API in one process, as api/main.ts has it: accounts beside donations, payments and campaigns. */
import type { Pool } from 'pg';
import { createDeviceTokens } from '../../../api/auth/device-tokens.ts';
import { createLoginLimits } from '../../../api/auth/login-limits.ts';
import { createPasswords } from '../../../api/auth/passwords.ts';
import { authRouter } from '../../../api/auth/router.ts';
import { openSigningKeys } from '../../../api/auth/signing-keys.ts';
import { accessTokens } from '../../../api/http/access-tokens.ts';
import type { Authenticate } from '../../../api/http/authentication.ts';
import { createVerificationKeys } from '../../../api/http/verification-keys.ts';
import { loadConfig } from '../../../platform/config.ts';
import { createPool } from '../../../platform/postgres.ts';
import { AUTH_SECRET, CHEAP, type AuthGateway } from './auth-gateway.ts';
import { silent, startGateway, type Gateway, type GatewayOptions } from './gateway.ts';
import { authenticate as testKeys } from './test-keys.ts';

export type WholeGateway = Gateway &
  Pick<AuthGateway, 'call'> & {
    /** Of accounts; the other services' are in `pools`. */
    readonly pool: Pool;
  };

export async function startWholeGateway(
  urls: GatewayOptions['urls'] & { readonly auth: string },
  options: Omit<GatewayOptions, 'urls' | 'routers' | 'authenticate'> = {},
): Promise<WholeGateway> {
  const { AUTH: settings } = loadConfig([], {});
  const pool = createPool({ url: urls.auth, max: 4, name: 'test-auth' });
  const keys = await openSigningKeys(pool, AUTH_SECRET);
  const verification = createVerificationKeys({ published: keys.published, settings, log: silent });
  const own = accessTokens({ keys: verification, settings });
  const authenticate: Authenticate = async (token) => (await testKeys(token)) ?? (await own(token));
  const gateway = await startGateway({
    ...options,
    urls,
    authenticate,
    routers: [
      authRouter({
        pool,
        keys,
        passwords: createPasswords({ cost: CHEAP }),
        limits: createLoginLimits(settings, AUTH_SECRET, null),
        devices: createDeviceTokens(AUTH_SECRET, settings.deviceTokenSeconds),
        authenticate,
        clientAddress: (request) => request.get('x-from') ?? 'nowhere',
        settings,
      }),
    ],
  });
  return {
    ...gateway,
    pool,
    call: (method, path, body, token, from = 'nowhere') =>
      gateway.send({
        method,
        path,
        headers: [
          ['X-From', from],
          ...(body === undefined ? [] : [['Content-Type', 'application/json'] as const]),
          ...(token === undefined ? [] : [['Authorization', `Bearer ${token}`] as const]),
        ],
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await pool.end();
    },
  };
}

/** What stands in every table of every service: equal before and after what must change nothing. */
export async function everyRow(gateway: WholeGateway): Promise<Readonly<Record<string, string>>> {
  const all = await Promise.all(
    Object.entries({ ...gateway.pools, auth: gateway.pool }).map(async ([service, pool]) => {
      const { rows: tables } = await pool.query<{ name: string }>(
        `SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public'`,
      );
      const each = tables.map(
        ({ name }) =>
          `SELECT '${service}.${name}' AS name, count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') AS rows FROM ${name} t`,
      );
      const { rows } = await pool.query<{ name: string; rows: string }>(each.join(' UNION ALL '));
      return rows.map((row) => [row.name, row.rows] as const);
    }),
  );
  return Object.fromEntries(all.flat());
}
