import { expect, test } from 'vitest';
import { isToolName, toolEnvironment } from '../../../launch/tool-environment.ts';

const KNOWN = { TEMPORAL_ADDRESS: '127.0.0.1:17233', TEMPORAL_NAMESPACE: 'donations' };

test('each tool is told the server and the namespace by its own variables', () => {
  expect(toolEnvironment('temporal', [], KNOWN, { PATH: '/bin' })).toEqual({ PATH: '/bin', ...KNOWN });
  expect(toolEnvironment('tctl', [], KNOWN, { PATH: '/bin' })).toEqual({
    PATH: '/bin',
    TEMPORAL_CLI_ADDRESS: '127.0.0.1:17233',
    TEMPORAL_CLI_NAMESPACE: 'donations',
  });
});

test('what the caller has set stays as it is', () => {
  const environment = { TEMPORAL_CLI_ADDRESS: 'elsewhere:7233' };
  expect(toolEnvironment('tctl', [], KNOWN, environment)).toEqual({
    TEMPORAL_CLI_ADDRESS: 'elsewhere:7233',
    TEMPORAL_CLI_NAMESPACE: 'donations',
  });
});

test('where nothing is known the tool looks where it always looks', () => {
  expect(toolEnvironment('temporal', [], {}, { PATH: '/bin' })).toEqual({ PATH: '/bin' });
});

test.each([[['--profile', 'production']], [['workflow', 'list', '--env=production']], [['--config-file=x']]])(
  'a profile that is named by %j is not overruled',
  (args) => {
    expect(toolEnvironment('temporal', args, KNOWN, {})).toEqual({});
  },
);

test('nor is one that is named by the environment', () => {
  const environment = { TEMPORAL_PROFILE: 'production' };
  expect(toolEnvironment('temporal', [], KNOWN, environment)).toEqual(environment);
});

test('no other program is called', () => {
  expect(['temporal', 'tctl', 'toString', 'sh', ''].filter(isToolName)).toEqual(['temporal', 'tctl']);
});
