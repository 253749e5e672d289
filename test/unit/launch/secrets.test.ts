import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadSecrets, writePrivately } from '../../../launch/secrets.ts';

const secretsFile = (): string => join(mkdtempSync(join(tmpdir(), 'secrets-')), 'secrets.json');

test('secrets are made once, stay the same, and only their owner can read them', () => {
  const file = secretsFile();
  const made = loadSecrets(file, ['donations']);
  expect(loadSecrets(file, ['donations'])).toEqual(made);
  expect(statSync(file).mode & 0o777).toBe(0o600);
});

test('two installations share no secret', () => {
  const [a, b] = [loadSecrets(secretsFile(), ['donations']), loadSecrets(secretsFile(), ['donations'])];
  const values = [a, b].flatMap(({ databasePasswords, ...rest }) => [
    ...Object.values(databasePasswords),
    ...Object.values(rest),
  ]);
  expect(new Set(values).size).toBe(values.length);
});

test('a service that comes later gets a password, the others keep theirs', () => {
  const file = secretsFile();
  const before = loadSecrets(file, ['donations']);
  const after = loadSecrets(file, ['donations', 'auth']);
  expect(after).toEqual({
    ...before,
    databasePasswords: { ...before.databasePasswords, auth: expect.any(String) as string },
  });
});

test('a file that others could read is closed to them again', () => {
  const file = secretsFile();
  writeFileSync(file, '{}');
  chmodSync(file, 0o644);
  loadSecrets(file, ['donations']);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toHaveProperty('authSecret');
});

test('who reads a file while it is written anew finds all of what was there before', () => {
  const file = secretsFile();
  writePrivately(file, { signedIn: 'before' });
  const reader = openSync(file, 'r');
  writePrivately(file, { signedIn: 'after' });
  expect(JSON.parse(readFileSync(reader, 'utf8'))).toEqual({ signedIn: 'before' });
  closeSync(reader);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ signedIn: 'after' });
});
