import { expect, test } from 'vitest';
import { median, percentile, spreadOf } from '../../bench/statistics.ts';

test('the median is the middle one, or half-way between the two in the middle', () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([9, 1, 5, 6])).toBe(5.5);
  expect(median([3])).toBe(3);
  expect(() => median([])).toThrow('no values');
});

test('a percentile is a value that was measured, by the nearest rank', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(percentile(hundred, 0.5)).toBe(50);
  expect(percentile(hundred, 0.95)).toBe(95);
  expect(percentile(hundred, 0.99)).toBe(99);
  expect(percentile(hundred, 1)).toBe(100);
  expect(percentile([4], 0.99)).toBe(4);
});

test('a spread keeps the least and the most beside the median', () => {
  expect(spreadOf([0.4, 0.2, 0.9])).toEqual({ median: 0.4, least: 0.2, most: 0.9 });
});
