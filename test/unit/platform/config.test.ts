import { describe, expect, test } from 'vitest';
import { DEFAULT_POLICY } from '../../../domain/donation.ts';
import { ConfigError, loadConfig } from '../../../platform/config.ts';

function messageOf(
  source: Record<string, string | undefined>,
  needed: Parameters<typeof loadConfig>[0] = [],
): string {
  try {
    loadConfig(needed, source);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
  throw new Error('nothing was wrong');
}

describe('a variable that is malformed is named', () => {
  test.each([
    ['NAME_PREFIX', 'Upper'],
    ['NAME_PREFIX', '1abc'],
    ['NAME_PREFIX', `a${'b'.repeat(41)}`],
    ['NAME_PREFIX', 'a b'],
    ['DONATIONS_DATABASE_URL', 'mysql://user:s3cret@host/db'],
    ['PAYMENTS_DATABASE_URL', 's3cret'],
    ['CAMPAIGNS_DATABASE_URL', 'http://s3cret'],
    ['NOTIFICATIONS_DATABASE_URL', 's3cret'],
    ['REDIS_URL', 'http://s3cret'],
    ['RABBITMQ_URL', 'http://s3cret'],
    ['STRIPE_API_BASE', 's3cret'],
    ['STRIPE_WEBHOOK_SECRETS', ' , ,'],
    ['PORT', '-1'],
    ['PORT', '65536'],
    ['PORT', 's3cret'],
    ['PORT', '80.5'],
    ['OPS_PORT', '1e9'],
    ['TRUSTED_PROXIES', '127.0.0.1, s3cret'],
    ['TRUSTED_PROXIES', '0.0.0.0/0'],
    ['AUTH_SECRET', 's3cret'],
    ['AUTH_JWKS_URL', 's3cret'],
    ['AUTH_DATABASE_URL', 's3cret'],
    ['CORS_ORIGINS', '*'],
    ['CORS_ORIGINS', 'null'],
    ['CORS_ORIGINS', 'https://give.example/'],
    ['CORS_ORIGINS', 'https://*.example'],
    ['CORS_ORIGINS', 'give.example'],
    ['CORS_ORIGINS', 'https://give.example, s3cret'],
    ['INSTALLATION_SECRET', 's3cret'],
    ['PLACEMENT', 's3cret'],
    ['LOG_LEVEL', 's3cret'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 's3cret'],
    ['POLICY', 's3cret'],
    ['POLICY', '[]'],
    ['POLICY', '{"s3cret":1}'],
    ['POLICY', '{"leaseMs":0}'],
    ['POLICY', '{"leaseMs":1.5}'],
    ['POLICY', '{"leaseMs":"30"}'],
    ['LIMITS', '{"donate":{"address":{"requests":0}}}'],
    ['LIMITS', '{"donates":{}}'],
    ['LIMITS', '{"ownNetworks":["0.0.0.0/0"]}'],
  ])('%s=%s', (name, value) => {
    const message = messageOf({ [name]: value });
    expect(message).toContain(name);
    // A log keeps what it is told; a field's name may be told, a value never.
    if (name !== 'POLICY') expect(message).not.toContain('s3cret');
  });

  test('and so are all the others, at once', () => {
    const message = messageOf({ PORT: 'x', PLACEMENT: 'x', POLICY: '{"leaseMs":0}' });
    for (const name of ['PORT', 'PLACEMENT', 'POLICY.leaseMs']) expect(message).toContain(name);
  });
});

describe('a variable that is missing is named', () => {
  test('with all the others that this process needs, and no other', () => {
    const message = messageOf({ STRIPE_SECRET_KEY: 'sk_test_1' }, [
      'DONATIONS_DATABASE_URL',
      'STRIPE_SECRET_KEY',
      'TEMPORAL_ADDRESS',
    ]);
    expect(message).toContain('DONATIONS_DATABASE_URL, TEMPORAL_ADDRESS');
    expect(message).not.toContain('STRIPE_SECRET_KEY');
    expect(message).not.toContain('PAYMENTS_DATABASE_URL');
  });

  test('also when it is there and empty', () => {
    expect(messageOf({ AUTH_SECRET: '' }, ['AUTH_SECRET'])).toContain('Set AUTH_SECRET');
  });
});

describe('what is not set has its default', () => {
  test('without any environment', () => {
    const config = loadConfig([], {});
    expect(config).toMatchObject({
      NAME_PREFIX: 'careforall',
      HOST: '127.0.0.1',
      PORT: 8080,
      OPS_PORT: 0,
      PLACEMENT: 'local',
      LOG_LEVEL: 'info',
      STRIPE_API_BASE: 'https://api.stripe.com',
      TEMPORAL_NAMESPACE: 'default',
      TRUSTED_PROXIES: [],
    });
    expect(config.POLICY).toMatchObject(DEFAULT_POLICY);
    expect(config.REDIS_URL).toBeUndefined();
  });

  test('and an empty variable counts as not set', () => {
    expect(loadConfig([], { PORT: '', POLICY: '', REDIS_URL: '' })).toMatchObject({ PORT: 8080 });
  });

  test('and a policy names only what differs', () => {
    const { POLICY: policy } = loadConfig([], { POLICY: '{"leaseMs":5}' });
    expect(policy.leaseMs).toBe(5);
    expect(policy.sweepAfterMs).toBe(loadConfig([], {}).POLICY.sweepAfterMs);
  });
});

describe('limits name only what differs', () => {
  test('and the machine itself has many times as much, except in production', () => {
    const given = { LIMITS: '{"donate":{"account":{"requests":7}}}' };
    const { LIMITS: limits } = loadConfig([], given);
    expect(limits.donate.account).toEqual({ requests: 7, seconds: 60 });
    expect(limits.donate.address).toEqual(loadConfig([], {}).LIMITS.donate.address);
    expect(limits.ownNetworks).toEqual(['127.0.0.0/8', '::1']);
    expect(loadConfig([], { ...given, NODE_ENV: 'production' }).LIMITS.ownNetworks).toEqual([]);
  });
});

test('several webhook secrets are given with commas, spaces around them are not part of them', () => {
  expect(
    loadConfig(['STRIPE_WEBHOOK_SECRETS'], { STRIPE_WEBHOOK_SECRETS: 'whsec_a, whsec_b ,,' })
      .STRIPE_WEBHOOK_SECRETS,
  ).toEqual(['whsec_a', 'whsec_b']);
});

test('a password with any characters in a database’s URL is taken as it is', () => {
  const url = 'postgres://user:p%27w%22d%20%40%2F%3A%25@127.0.0.1:5432/db';
  expect(loadConfig(['DONATIONS_DATABASE_URL'], { DONATIONS_DATABASE_URL: url }).DONATIONS_DATABASE_URL).toBe(
    url,
  );
});
