import { Command } from 'commander';
import { z } from 'zod';
import { createDeviceTokens } from '../../api/auth/device-tokens.ts';
import { beginSession } from '../../api/auth/sessions.ts';
import { openSigningKeys } from '../../api/auth/signing-keys.ts';
import type { Account } from '../../api/auth/accounts.ts';
import { normalisedEmail } from '../../domain/email.ts';
import { MAX_EMAIL_LENGTH } from '../../domain/limits.ts';
import type { Config } from '../../platform/config.ts';
import { createPool } from '../../platform/postgres.ts';
import { loginOf } from '../account/api.ts';
import { loginStore } from '../account/credentials.ts';
import { passwordFromStdin, typedPassword } from '../account/password.ts';
import { apiUrl, loadEnvironment } from '../environment.ts';
import { CommandProblem, EXIT, reaching, type ExitCode } from '../problem.ts';
import { createOperator, madePassword, promote, refuseTaken } from './create.ts';

type Options = { email: string; name?: string; promote?: true; passwordStdin?: true };

export function operatorCommand(end: (exitCode: ExitCode) => void): Command {
  return new Command('operator').description('operators: who runs the platform').addCommand(
    new Command('create')
      .description('make an operator, the first one too, and sign in as them on this machine')
      .requiredOption('--email <address>', 'of the new account')
      .option('--name <name>', 'of its owner')
      .option('--password-stdin', 'read the password from standard input')
      .option('--promote', 'make an account that is there an operator’s')
      .addHelpText(
        'after',
        '\nIt works on the database of accounts (AUTH_DATABASE_URL). Without a password one is made and shown once.',
      )
      .action(async (options: Options) => {
        await create(options);
        end(EXIT.ok);
      }),
  );
}

async function create({ name, ...options }: Options): Promise<void> {
  const config = loadEnvironment(['AUTH_DATABASE_URL', 'AUTH_SECRET']);
  const email = normalisedEmail(options.email);
  if (!z.email().max(MAX_EMAIL_LENGTH).safeParse(email).success)
    throw new CommandProblem(`${options.email} is no e-mail address.`);
  const pool = createPool({ url: config.AUTH_DATABASE_URL, max: 2, name: 'careforall-operator' });
  try {
    await reaching('The auth database', async () => {
      if (options.promote === true) {
        const account = await promote(pool, email);
        console.log(`${account.email} is an operator. Sign in: npm run careforall -- login --email ${email}`);
        return;
      }
      await refuseTaken(pool, email);
      const given = options.passwordStdin === true ? await passwordFromStdin() : await ask(email);
      const password = given ?? madePassword();
      const account = await createOperator(pool, { email, name: name ?? null, password });
      console.log(`${account.email} is an operator.`);
      if (given === null) console.log(`Password: ${password}\nIt is shown this once.`);
      await signInAs(config, pool, account);
    });
  } finally {
    await pool.end();
  }
}

async function ask(email: string): Promise<string | null> {
  return await typedPassword(`Password of ${email} (nothing: one is made): `);
}

/** No API is needed, and no password either: it was given a moment ago. */
async function signInAs(
  config: Config<'AUTH_SECRET'>,
  pool: ReturnType<typeof createPool>,
  account: Account,
): Promise<void> {
  const { AUTH: settings, AUTH_SECRET: secret } = config;
  const session = await beginSession(
    {
      pool,
      keys: await openSigningKeys(pool, secret),
      devices: createDeviceTokens(secret, settings.deviceTokenSeconds),
      settings,
    },
    account,
  );
  const { deviceToken } = session;
  await loginStore(config).change(() => Promise.resolve(loginOf(account.email, session)), deviceToken);
  console.log(`Signed in at ${apiUrl(config)}.`);
}
