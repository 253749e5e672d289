/** `npm run demo` shows what it claims, fails when something is wrong, and leaves nothing behind. */
import { expect, test } from 'vitest';
import { databasesOf, expectNothingLeft, launch, nameOf } from './launched.ts';

test('forty donations through the storm: every fault is seen, every cent is right, and nothing is left', async () => {
  const demo = launch('demo', '--donations', '40', '--seed', '5');
  const code = await demo.ended;
  const text = demo.output();
  expect(text).toContain('It holds.');
  expect(code).toBe(0);
  expect(text).toMatch(/0 discrepancies over 40 donations \(38 captured/);
  expect(text).toContain('each key sent 5 times, 200 answers, 1 charge each');
  for (const fault of ['connection was reset', 'no answer at all', 'lost for good', 'delivered twice'])
    expect(text).toMatch(new RegExp(`✓ +[1-9]\\d* .*${fault}`));
  expect(text).toMatch(/✓ +1 {2}worker killed with -9/);
  expect(text).not.toContain('✗');
  await expectNothingLeft(text);
});

test('one cent taken from a total before the audit makes the demo fail, and the audit names the campaign', async () => {
  const demo = launch('demo', '--donations', '20', '--sabotage');
  const code = await demo.ended;
  const text = demo.output();
  expect(text).not.toContain('It holds.');
  expect(text).toMatch(/[1-9]\d* discrepanc(?:y|ies) over 20 donations/);
  expect(text).toMatch(/✗ the audit found [1-9]/);
  expect(text).toMatch(/✗ the \w{3} of the four witnesses are not the same/);
  expect(code).toBe(1);
  expect(await databasesOf(nameOf(text))).toEqual([]);
});

test('Ctrl-C in the middle of the storm stops everything and leaves nothing behind', async () => {
  const demo = launch('demo', '--donations', '150');
  await demo.untilSays('kill -9');
  demo.interrupt();
  expect(await demo.ended).toBe(130);
  expect(demo.output()).toContain('Nothing of the demo is left.');
  await expectNothingLeft(demo.output());
});
