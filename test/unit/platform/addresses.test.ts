import { describe, expect, test } from 'vitest';
import {
  canonicalAddress,
  isLoopback,
  isNetwork,
  membershipOf,
  networkOf,
} from '../../../platform/addresses.ts';

describe('an address has one spelling', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:c000:0201', '192.0.2.1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::', '::'],
  ])('%s is %s', (text, canonical) => {
    expect(canonicalAddress(text)).toBe(canonical);
  });

  test.each(['', 'unknown', '_hidden', '010.0.0.1', '0x7f.0.0.1', '127.1', '192.0.2.256', '192.0.2.1:80'])(
    '%j is none',
    (text) => {
      expect(canonicalAddress(text)).toBeNull();
    },
  );
});

describe('limits count', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['1::2:3:4', '1:0:0:0::/64'],
    ['unknown', 'unknown'],
  ])('%s under %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});

describe('a list of networks', () => {
  const isIn = membershipOf(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32']);
  test.each([
    ['10.255.0.1', true],
    ['11.0.0.1', false],
    ['192.0.2.7', true],
    ['192.0.2.8', false],
    ['2001:db8:ffff::1', true],
    ['2001:db9::1', false],
    ['unknown', false],
  ])('holds %s: %s', (address, expected) => {
    expect(isIn(address)).toBe(expected);
  });

  test('that is empty holds nobody', () => {
    expect(membershipOf([])('127.0.0.1')).toBe(false);
  });

  test.each([
    '0.0.0.0/0',
    '::/0',
    '10.0.0.0/33',
    '::1/129',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    'loopback',
    '*',
    '10.0.0/8',
  ])('cannot hold %s', (text) => {
    expect(isNetwork(text)).toBe(false);
    expect(() => membershipOf([text])).toThrow(TypeError);
  });
});

test.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['::1', true],
  ['128.0.0.1', false],
  ['::2', false],
])('%s is of this machine: %s', (address, expected) => {
  expect(isLoopback(address)).toBe(expected);
});
