import { expect, test } from 'vitest';
import { createTokenCache } from '../../../api/http/token-cache.ts';

test('the entry that was used longest ago makes room', () => {
  const cache = createTokenCache<number>(3);
  for (const [key, value] of [
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ] as const)
    cache.set(key, value);
  expect(cache.get('a')).toBe(1);
  cache.set('d', 4);
  expect(['a', 'b', 'c', 'd'].map((key) => cache.get(key))).toEqual([1, undefined, 3, 4]);
});

test('an entry that is set again takes no second place', () => {
  const cache = createTokenCache<number>(2);
  for (let n = 0; n < 5; n += 1) cache.set('a', n);
  cache.set('b', 1);
  expect([cache.get('a'), cache.get('b')]).toEqual([4, 1]);
  cache.delete('a');
  expect(cache.get('a')).toBeUndefined();
});
