import { expect, test } from 'vitest';
import { neutralEnvironment, OptionError, readLaunchOptions } from '../../../launch/options.ts';

test('without any variable the launcher uses 127.0.0.1:8080 and the databases careforall_*', () => {
  expect(readLaunchOptions({})).toMatchObject({
    host: '127.0.0.1',
    port: 8080,
    namePrefix: 'careforall',
    postgresUrl: undefined,
  });
});

test.each(['abc', '-1', '65536', '80.5', '0x50'])('PORT=%s is refused by name', (port) => {
  expect(() => readLaunchOptions({ PORT: port })).toThrow(OptionError);
  expect(() => readLaunchOptions({ PORT: port })).toThrow(/PORT/);
});

test.each(['Care', '1care', 'care-for', 'care"; drop', 'c'.repeat(32)])(
  'NAME_PREFIX=%s is refused: it names databases',
  (prefix) => {
    expect(() => readLaunchOptions({ NAME_PREFIX: prefix })).toThrow(/NAME_PREFIX/);
  },
);

test('what the platform reads is not inherited, everything else is', () => {
  const inherited = neutralEnvironment({
    PATH: '/bin',
    NO_COLOR: '1',
    REDIS_URL: 'redis://elsewhere',
    PAYMENTS_DATABASE_URL: 'postgres://elsewhere',
    STRIPE_SECRET_KEY: 'sk_live_1',
    CAMPAIGNS_URL: 'http://elsewhere',
    INTERNAL_TOKEN: 'one',
    OPS_PORT: '1',
    FAILPOINTS_DIR: '/tmp',
  });
  expect(inherited).toEqual({ PATH: '/bin', NO_COLOR: '1' });
});
