import { Command } from 'commander';
import { apiUrl, loadEnvironment } from '../environment.ts';
import { CommandProblem, EXIT, type ExitCode } from '../problem.ts';
import { printable } from '../text.ts';
import { accessToken } from './access-token.ts';
import { loginOf, signIn, signOut, whoAmI } from './api.ts';
import { loginStore } from './credentials.ts';
import { passwordFromStdin, typedPassword } from './password.ts';

type LoginOptions = { email: string; passwordStdin?: true };

export function loginCommand(end: (exitCode: ExitCode) => void): Command {
  return new Command('login')
    .description('sign in at the API; the other commands go on as you')
    .requiredOption('--email <address>', 'of your account')
    .option('--password-stdin', 'read the password from standard input instead of asking for it')
    .action(async ({ email, passwordStdin }: LoginOptions) => {
      const config = loadEnvironment([]);
      const [url, store] = [apiUrl(config), loginStore(config)];
      const password =
        passwordStdin === true ? await passwordFromStdin() : await typedPassword(`Password of ${email}: `);
      if (password === null)
        throw new CommandProblem('No password: type it, or pipe it in with --password-stdin.');
      const deviceToken = store.deviceTokenOf(email);
      const answer = await signIn(url, {
        email,
        password,
        ...(deviceToken === undefined ? {} : { deviceToken }),
      });
      if ('refused' in answer) throw new CommandProblem(`Not signed in: ${answer.detail}`);
      const { user } = answer;
      await store.change(() => Promise.resolve(loginOf(user.email, answer)), answer.deviceToken);
      console.log(`Signed in at ${url} as ${user.email} (${user.role}).`);
      end(EXIT.ok);
    });
}

export function logoutCommand(end: (exitCode: ExitCode) => void): Command {
  return new Command('logout').description('end the session of this machine').action(async () => {
    const config = loadEnvironment([]);
    const url = apiUrl(config);
    let who: string | undefined;
    await loginStore(config).change(async (login) => {
      if (login !== null) await signOut(url, login.refreshToken);
      who = login?.email;
      return null;
    });
    console.log(who === undefined ? `Nobody was signed in at ${url}.` : `${who} is signed out at ${url}.`);
    end(EXIT.ok);
  });
}

export function whoamiCommand(end: (exitCode: ExitCode) => void): Command {
  return new Command('whoami')
    .description('whose account the commands use')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: true }) => {
      const config = loadEnvironment([]);
      const answer = await whoAmI(apiUrl(config), await accessToken(config));
      if ('refused' in answer) throw new CommandProblem(`Not known at ${apiUrl(config)}: ${answer.detail}`);
      const { id, email, name, role } = answer;
      console.log(
        json === true
          ? JSON.stringify(answer, null, 2)
          : printable(`${email}${name === null ? '' : ` (${name})`}, ${role}, ${id}`),
      );
      end(EXIT.ok);
    });
}
