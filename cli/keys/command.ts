import { Command } from 'commander';
import type { Pool } from 'pg';
import { listSigningKeys, rotateSigningKeys } from '../../api/auth/signing-keys.ts';
import { ConfigError, type Config } from '../../platform/config.ts';
import { createPool } from '../../platform/postgres.ts';
import { loadEnvironment } from '../environment.ts';
import { CommandProblem, EXIT, reaching, type ExitCode } from '../problem.ts';
import { table } from '../text.ts';

export function keysCommand(end: (exitCode: ExitCode) => void): Command {
  return new Command('keys')
    .description('the keys that sign access tokens')
    .addCommand(
      new Command('list')
        .description('every key there has been, the newest first')
        .option('--json', 'print JSON')
        .action(async ({ json }: { json?: true }) => {
          await withKeys(async (pool) => {
            const keys = await listSigningKeys(pool);
            console.log(json === true ? JSON.stringify(keys, null, 2) : describe(keys));
          });
          end(EXIT.ok);
        }),
    )
    .addCommand(
      new Command('rotate')
        .description(
          'publish a new key; it signs once everybody knows it, the old one counts until its tokens have expired',
        )
        .option(
          '--now',
          'for a key that has leaked: the old ones count no more, within half a minute everywhere, and every client has to refresh',
        )
        .action(async ({ now }: { now?: true }) => {
          await withKeys(async (pool, config) => {
            const kid = await rotateSigningKeys(pool, config.AUTH_SECRET, {
              activationSeconds: config.AUTH.keyActivationSeconds,
              accessTokenSeconds: config.AUTH.accessTokenSeconds,
              atOnce: now === true,
            });
            if (kid === null) throw new CommandProblem('Somebody else has rotated the keys at this moment.');
            console.log(describe(await listSigningKeys(pool)));
          });
          end(EXIT.ok);
        }),
    );
}

async function withKeys(work: (pool: Pool, config: Config<'AUTH_SECRET'>) => Promise<void>): Promise<void> {
  const config = loadEnvironment(['AUTH_DATABASE_URL', 'AUTH_SECRET']);
  const pool = createPool({ url: config.AUTH_DATABASE_URL, max: 2, name: 'careforall-keys' });
  try {
    await reaching('The auth database', () => work(pool, config));
  } catch (error) {
    if (error instanceof CommandProblem && error.cause instanceof ConfigError)
      throw new CommandProblem(error.cause.message, EXIT.unusable, { cause: error });
    throw error;
  } finally {
    await pool.end();
  }
}

function describe(keys: Awaited<ReturnType<typeof listSigningKeys>>): string {
  const time = (date: Date | null): string => date?.toISOString().replace(/\.\d+Z$/, 'Z') ?? '–';
  return table([
    ['key', 'state', 'made', 'signs from', 'counts until'],
    ...keys.map(({ kid, state, createdAt, activatesAt, retiresAt }) => [
      kid,
      state,
      time(createdAt),
      time(activatesAt),
      time(retiresAt),
    ]),
  ]).join('\n');
}
