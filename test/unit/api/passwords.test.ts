import type { Argon2Parameters } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createPasswords, HASH_COST } from '../../../api/auth/passwords.ts';

const CHEAP = { memoryKiB: 64, passes: 1, lanes: 1 };
const cheap = createPasswords({ cost: CHEAP });

test('a password matches its own hash and no other one', async () => {
  const [first, second] = [await cheap.hash('wells for everybody'), await cheap.hash('wells for everybody')];
  expect(first).not.toBe(second);
  expect(first).toMatch(/^\$argon2id\$v=19\$m=64,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  for (const stored of [first, second]) {
    expect(await cheap.matches('wells for everybody', stored)).toBe(true);
    expect(await cheap.matches('wells for everybodY', stored)).toBe(false);
    expect(await cheap.matches('', stored)).toBe(false);
  }
  expect(await cheap.matches('wells for everybody', null)).toBe(false);
});

test('hashes of the argon2 reference implementation are understood', async () => {
  const stored = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc';
  expect(await cheap.matches('password', stored)).toBe(true);
  expect(await cheap.matches('passwore', stored)).toBe(false);
  expect(cheap.isOutdated(stored)).toBe(true);
});

test('a hash costs what OWASP asks for, and one that was cheaper is told apart', async () => {
  expect(HASH_COST).toEqual({ memoryKiB: 19_456, passes: 2, lanes: 1 });
  const now = createPasswords();
  const stored = await now.hash('wells for everybody');
  expect(stored).toContain('$m=19456,t=2,p=1$');
  expect(now.isOutdated(stored)).toBe(false);
  expect(now.isOutdated(await cheap.hash('wells for everybody'))).toBe(true);
  expect(await now.matches('wells for everybody', stored)).toBe(true);
});

test('an account that is not there takes the same work as one that is', async () => {
  const work: Argon2Parameters[] = [];
  const counted = createPasswords({
    cost: CHEAP,
    compute: (parameters) => {
      work.push(parameters);
      return Promise.resolve(Buffer.alloc(32));
    },
  });
  const stored = await counted.hash('wells for everybody');
  work.length = 0;
  await counted.matches('a guess', stored);
  await counted.matches('a guess', null);
  expect(work.length).toBe(2);
  const [there, nobody] = work.map(({ nonce, ...rest }) => ({
    ...rest,
    nonceBytes: Buffer.from(nonce as Buffer).length,
  }));
  expect(nobody).toEqual(there);
});

describe('a limited number', () => {
  const held = (concurrency: number, maxWaiting: number) => {
    const release: (() => void)[] = [];
    let most = 0;
    const passwords = createPasswords({
      cost: CHEAP,
      concurrency,
      maxWaiting,
      compute: () =>
        new Promise((resolve) => {
          release.push(() => resolve(Buffer.alloc(32)));
          most = Math.max(most, release.length);
        }),
    });
    return { passwords, release, most: () => most };
  };
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  test('is hashed at once, a limited number waits, and the next one is told to come back', async () => {
    const { passwords, release, most } = held(2, 3);
    const accepted = Array.from({ length: 5 }, (_, n) => passwords.hash(`password number ${n}`));
    await settle();
    expect(release.length).toBe(2);
    await expect(passwords.hash('one too many')).rejects.toMatchObject({
      code: 'overloaded',
      retryAfterSeconds: 3,
    });
    for (let n = 0; n < 5; n += 1) {
      release.shift()?.();
      await settle();
    }
    await Promise.all(accepted);
    expect(most()).toBe(2);
    const next = passwords.hash('there is room again');
    await settle();
    release.shift()?.();
    await expect(next).resolves.toContain('$argon2id$');
  });

  test('waits for one address, so that it cannot keep all others out', async () => {
    const { passwords, release } = held(1, 8);
    const theirs = Array.from({ length: 3 }, (_, n) => passwords.hash(`password number ${n}`, 'a crowd'));
    await settle();
    const more = {
      hash: passwords.hash('one too many', 'a crowd'),
      matches: passwords.matches('x', null, 'a crowd'),
    };
    await expect(more.hash).rejects.toMatchObject({ code: 'overloaded' });
    await expect(more.matches).rejects.toMatchObject({ code: 'overloaded' });
    const other = passwords.hash('there is room for others', 'somebody');
    for (let n = 0; n < 4; n += 1) {
      release.shift()?.();
      await settle();
    }
    await expect(Promise.all([...theirs, other])).resolves.toHaveLength(4);
  });

  test('is not used up by those that fail', async () => {
    let calls = 0;
    const failing = createPasswords({
      cost: CHEAP,
      concurrency: 1,
      maxWaiting: 1,
      compute: () => {
        calls += 1;
        return Promise.reject(new Error('no memory'));
      },
    });
    for (let n = 0; n < 4; n += 1) await expect(failing.hash('a password')).rejects.toThrow('no memory');
    expect(calls).toBe(4);
  });
});
