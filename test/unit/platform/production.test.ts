import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../../platform/config.ts';
import { SECRETS } from '../../../platform/production.ts';

function random(): string {
  return randomBytes(24).toString('hex');
}

const GOOD: Readonly<Record<string, string>> = {
  NODE_ENV: 'production',
  DONATIONS_DATABASE_URL: `postgres://donations:${random()}@db.internal:5432/donations`,
  REDIS_URL: 'redis://cache.internal:6379',
  RABBITMQ_URL: `amqp://platform:${random()}@queue.internal:5672`,
  STRIPE_SECRET_KEY: `sk_live_${random()}`,
  STRIPE_WEBHOOK_SECRETS: `whsec_${random()}, whsec_${random()}`,
  INTERNAL_TOKEN: random(),
  AUTH_SECRET: randomBytes(32).toString('base64'),
  INSTALLATION_SECRET: random(),
};

function refusalOf(changes: Readonly<Record<string, string | undefined>>): string {
  try {
    loadConfig([], { ...GOOD, ...changes });
    return '';
  } catch (error) {
    return String(error);
  }
}

test('production starts with secrets that nobody can guess', () => {
  expect(refusalOf({})).toBe('');
});

describe('production refuses a secret that somebody could guess, by its name and without its value', () => {
  const guesses = [
    'short-but-random-9f8',
    'change-me-change-me-change-me-change-me',
    'a secret of the tests, long enough for it',
    'operator-token-of-the-development-start',
    'please-replace-me-with-something-random',
    '0101010101010101010101010101010101010101',
    '1234567890123456789012345678901234567890',
  ];
  test.each(Object.keys(SECRETS).flatMap((name) => guesses.map((guess) => ({ name, guess }))))(
    '$name=$guess',
    ({ name, guess }) => {
      const value = name === 'INTERNAL_TOKEN' ? guess.replaceAll(' ', '-') : guess;
      const message = refusalOf({ [name]: value });
      expect(message).toContain(name);
      expect(message).not.toContain(value);
    },
  );

  test('also when it is one of several', () => {
    expect(refusalOf({ STRIPE_WEBHOOK_SECRETS: `whsec_${random()},whsec_first` })).toContain(
      'STRIPE_WEBHOOK_SECRETS',
    );
  });

  test.each([
    ['DONATIONS_DATABASE_URL', 'postgres://postgres:postgres@db:5432/x'],
    ['DONATIONS_DATABASE_URL', 'postgres://donations:donations@db:5432/x'],
    ['PAYMENTS_DATABASE_URL', 'postgres://payments:change-me-please@db:5432/x'],
    ['CAMPAIGNS_DATABASE_URL', 'postgres://campaigns:k7@db:5432/x'],
    ['REDIS_URL', 'redis://:password1234@cache:6379'],
    ['RABBITMQ_URL', 'amqp://guest:guest@queue:5672'],
    ['RABBITMQ_URL', 'amqp://queue:5672'],
  ])('%s=%s', (name, value) => {
    const message = refusalOf({ [name]: value });
    expect(message).toContain(name);
    expect(message).not.toContain(value);
  });

  test('all of them at once', () => {
    const message = refusalOf({
      INTERNAL_TOKEN: 'change-me-change-me-change-me-change-me',
      AUTH_SECRET: 'a'.repeat(40),
    });
    expect(message).toContain('INTERNAL_TOKEN');
    expect(message).toContain('AUTH_SECRET');
  });
});

describe('production takes real money', () => {
  const simulator = { STRIPE_API_BASE: 'http://simulator:8090', STRIPE_SECRET_KEY: `sk_test_${random()}` };
  const testKey = { STRIPE_SECRET_KEY: `sk_test_${random()}` };

  test('so a simulator is refused, and a test key of Stripe is', () => {
    expect(refusalOf(simulator)).toContain('STRIPE_API_BASE');
    expect(refusalOf(testKey)).toContain('STRIPE_SECRET_KEY');
  });

  test('unless it is allowed by name', () => {
    expect(refusalOf({ ...simulator, ALLOW_TEST_PAYMENTS: '1' })).toBe('');
    expect(refusalOf({ ...testKey, ALLOW_TEST_PAYMENTS: '1' })).toBe('');
  });

  test.each(['http://api.stripe.com', 'https://api.stripe.com.example', 'https://elsewhere.example'])(
    'and a live key is sent to Stripe alone, never to %s',
    (base) => {
      expect(refusalOf({ STRIPE_API_BASE: base, ALLOW_TEST_PAYMENTS: '1' })).toContain('STRIPE_API_BASE');
    },
  );

  test('and nothing fails on purpose', () => {
    expect(refusalOf({ FAILPOINTS_DIR: '/failpoints' })).toContain('FAILPOINTS_DIR');
  });
});

test('elsewhere all of that is as good as any', () => {
  const loose = {
    NODE_ENV: 'development',
    STRIPE_API_BASE: 'http://127.0.0.1:9',
    STRIPE_SECRET_KEY: 'sk_test_x',
    INTERNAL_TOKEN: 'change-me-change-me-change-me-change-me',
    RABBITMQ_URL: 'amqp://guest:guest@127.0.0.1',
    FAILPOINTS_DIR: '/failpoints',
  };
  expect(refusalOf(loose)).toBe('');
});

test.each(['api/main.ts', 'workers/all-in-one.ts', 'workers/background.ts'])(
  '%s does not start, and says why in one line',
  async (script) => {
    const root = join(import.meta.dirname, '..', '..', '..');
    const child = spawn(process.execPath, [script], {
      cwd: root,
      env: { ...GOOD, INTERNAL_TOKEN: 'change-me-change-me-change-me-change-me' },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
    const [exitCode] = (await once(child, 'close')) as [number | null];
    expect(exitCode).toBe(1);
    expect(output).toContain('Not in production: INTERNAL_TOKEN: looks like an example');
    expect(output).not.toContain('change-me');
  },
  60_000,
);
