import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { ROOT } from '../../launch/paths.ts';
import { startStack, type Stack } from '../harness/stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ apis: 1, backgrounds: 0, workers: 0 });
});
afterAll(() => stack.stop());

type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** Each test keeps who is signed in for itself. */
function machine(): {
  readonly file: string;
  readonly careforall: (
    args: readonly string[],
    stdin?: string,
    env?: Record<string, string>,
  ) => Promise<Ended>;
} {
  const file = join(stack.directory, `login-${randomUUID()}.json`);
  return {
    file,
    async careforall(args, stdin = '', env = {}) {
      const child = spawn(process.execPath, [join(ROOT, 'cli', 'main.ts'), ...args], {
        env: { ...stack.environment, CAREFORALL_LOGIN_FILE: file, ...env },
        stdio: ['pipe', 'pipe', 'pipe'],
      });
      child.stdin.end(stdin);
      const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
      const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
      return { code: await ended, stdout, stderr };
    },
  };
}

const newEmail = (): string => `op-${randomUUID()}@example.org`;
const PASSWORD = 'wells for everybody';
const kept = z.object({ logins: z.record(z.string(), z.object({ accessExpiresAt: z.number() })) });

async function roleOf(email: string): Promise<string | undefined> {
  const { rows } = await stack.pools.auth.query<{ role: string }>('SELECT role FROM users WHERE email = $1', [
    email,
  ]);
  return rows[0]?.role;
}

test('an operator is made and signed in; what is kept of it only its owner can read', async () => {
  const { file, careforall } = machine();
  const email = newEmail();
  const made = await careforall(
    ['operator', 'create', '--email', email.toUpperCase(), '--password-stdin'],
    `${PASSWORD}\n`,
  );
  expect(made).toEqual({
    code: 0,
    stdout: `${email} is an operator.\nSigned in at ${stack.apiUrl}.\n`,
    stderr: '',
  });
  expect(await roleOf(email)).toBe('operator');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, 'utf8')).not.toContain(PASSWORD);
  const who = await careforall(['whoami']);
  expect(who.stdout).toMatch(new RegExp(`^${email}, operator, [0-9a-f-]{36}\n$`));

  const refund = await careforall(['refund', randomUUID()]);
  expect(refund).toMatchObject({ code: 1 });
  expect(refund.stdout).toContain('not_found');
});

test('without a password one is made and shown once, and it opens the account', async () => {
  const { careforall } = machine();
  const email = newEmail();
  const made = await careforall(['operator', 'create', '--email', email, '--name', 'Ada']);
  expect(made.code).toBe(0);
  const password = /^Password: ([0-9a-f]{8}(?:-[0-9a-f]{8}){3})$/m.exec(made.stdout)?.[1] ?? '';
  const elsewhere = machine();
  const login = await elsewhere.careforall(['login', '--email', email, '--password-stdin'], password);
  expect(login).toMatchObject({ code: 0, stdout: `Signed in at ${stack.apiUrl} as ${email} (operator).\n` });
  expect((await elsewhere.careforall(['whoami', '--json'])).stdout).toContain('"name": "Ada"');
});

test('an address that is taken is refused unless its account is to be promoted, and weak passwords always', async () => {
  const { careforall } = machine();
  const email = newEmail();
  const registered = await fetch(`${stack.apiUrl}/auth/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password: PASSWORD }),
  });
  expect(registered.status).toBe(201);
  const taken = await careforall(['operator', 'create', '--email', email]);
  expect(taken).toMatchObject({ code: 2, stdout: '' });
  expect(taken.stderr).toContain('--promote');
  expect(await roleOf(email)).toBe('donor');
  expect(await careforall(['operator', 'create', '--email', email, '--promote'])).toMatchObject({ code: 0 });
  expect(await roleOf(email)).toBe('operator');

  const nobody = await careforall(['operator', 'create', '--email', newEmail(), '--promote']);
  expect(nobody.code).toBe(2);
  for (const [address, password] of [
    [newEmail(), 'password123'],
    [newEmail(), 'short'],
    ['nobody', PASSWORD],
  ] as const) {
    const refused = await careforall(
      ['operator', 'create', '--email', address, '--password-stdin'],
      password,
    );
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(await roleOf(address)).toBeUndefined();
  }
});

test('who is not signed in is told what to type, before signing in and after signing out', async () => {
  const { careforall } = machine();
  const email = newEmail();
  const advice =
    /^careforall: Nobody is signed in at \S+: type `npm run careforall -- login --email you@example\.org`/;
  const first = await careforall(['refund', randomUUID()]);
  expect(first).toMatchObject({ code: 2, stdout: '' });
  expect(first.stderr).toMatch(advice);
  await careforall(['operator', 'create', '--email', email, '--password-stdin'], PASSWORD);
  expect(await careforall(['logout'])).toMatchObject({
    code: 0,
    stdout: `${email} is signed out at ${stack.apiUrl}.\n`,
  });
  expect((await careforall(['whoami'])).stderr).toMatch(advice);
  expect(await careforall(['logout'])).toMatchObject({ code: 0 });
  const { rows } = await stack.pools.auth.query<{ why: string }>(
    'SELECT revoked_for AS why FROM token_families f JOIN users u ON u.id = f.user_id WHERE email = $1',
    [email],
  );
  expect(rows).toEqual([{ why: 'logout' }]);
});

test('a wrong password signs nobody in', async () => {
  const { careforall } = machine();
  const login = await careforall(['login', '--email', newEmail(), '--password-stdin'], 'a wrong guess');
  expect(login).toMatchObject({ code: 2, stdout: '' });
  expect(login.stderr).toContain('invalid_credentials');
  expect(await careforall(['login', '--email', newEmail()])).toMatchObject({ code: 2 });
});

test('commands that run at once renew the session once, and it lives on', async () => {
  const { file, careforall } = machine();
  const email = newEmail();
  await careforall(['operator', 'create', '--email', email, '--password-stdin'], PASSWORD);
  const count = async (): Promise<number> => {
    const { rows } = await stack.pools.auth.query<{ count: number }>(
      `SELECT count(*) AS count FROM refresh_tokens t JOIN token_families f ON f.id = t.family_id
       JOIN users u ON u.id = f.user_id WHERE u.email = $1 AND f.revoked_at IS NULL`,
      [email],
    );
    return rows[0]?.count ?? 0;
  };
  for (const tokens of [2, 3]) {
    const login = kept.parse(JSON.parse(readFileSync(file, 'utf8')));
    const expired = readFileSync(file, 'utf8').replace(
      String(login.logins[stack.apiUrl]?.accessExpiresAt),
      String(Date.now()),
    );
    writeFileSync(file, expired);
    const ended = await Promise.all(Array.from({ length: 5 }, () => careforall(['whoami'])));
    expect(ended.map(({ code, stderr }) => [code, stderr])).toEqual(Array.from({ length: 5 }, () => [0, '']));
    expect(await count()).toBe(tokens);
  }
});

test('a session that was ended elsewhere is said to have ended', async () => {
  const { file, careforall } = machine();
  const email = newEmail();
  await careforall(['operator', 'create', '--email', email, '--password-stdin'], PASSWORD);
  await stack.pools.auth.query(
    `UPDATE token_families SET revoked_at = now(), revoked_for = 'password'
     WHERE user_id = (SELECT id FROM users WHERE email = $1)`,
    [email],
  );
  writeFileSync(file, readFileSync(file, 'utf8').replace(/"accessExpiresAt": \d+/, '"accessExpiresAt": 1'));
  const who = await careforall(['whoami']);
  expect(who).toMatchObject({ code: 2, stdout: '' });
  expect(who.stderr).toBe(
    `careforall: The session at ${stack.apiUrl} has ended: type \`npm run careforall -- login --email ${email}\`.\n`,
  );
});

test('the keys are listed and rotated; of a leaked one every token is void, and the command line renews its own', async () => {
  const { file, careforall } = machine();
  const email = newEmail();
  await careforall(['operator', 'create', '--email', email, '--password-stdin'], PASSWORD);
  const states = async (): Promise<unknown[]> => {
    const { stdout } = await careforall(['keys', 'list', '--json']);
    return z
      .array(z.object({ state: z.string() }))
      .parse(JSON.parse(stdout))
      .map(({ state }) => state);
  };
  expect(await states()).toEqual(['signing']);
  const rotated = await careforall(['keys', 'rotate']);
  expect(rotated.code).toBe(0);
  expect(rotated.stdout).toMatch(
    /^key +state +made +signs from +counts until\n\S+ +waiting .+\n\S+ +signing .+\n$/,
  );
  expect((await careforall(['whoami'])).code).toBe(0);

  const wrong = await careforall(['keys', 'rotate'], '', { AUTH_SECRET: 'x'.repeat(40) });
  expect(wrong).toMatchObject({ code: 2, stdout: '' });
  expect(wrong.stderr).toContain('AUTH_SECRET is not the one');
  expect(await states()).toEqual(['waiting', 'signing']);

  expect((await careforall(['keys', 'rotate', '--now'])).code).toBe(0);
  expect(await states()).toEqual(['signing', 'retired', 'retired']);
  writeFileSync(file, readFileSync(file, 'utf8').replace(/"accessExpiresAt": \d+/, '"accessExpiresAt": 1'));
  // A process signs with the old key until it has looked again, so the first new token may be void as well.
  await new Promise((resolve) => setTimeout(resolve, 11_000));
  expect((await careforall(['whoami'])).code).toBe(0);
});
