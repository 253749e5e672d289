import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isSlug, slugsFor } from '../../../domain/slug.ts';

const ID = '01234567-89ab-4cde-8f01-23456789abcd';

describe('a slug', () => {
  test.each(['abc', 'a-b', '2030', 'clean-water-2', 'a'.repeat(80)])('is "%s"', (slug) => {
    expect(isSlug(slug)).toBe(true);
  });

  test.each(['', 'ab', 'a'.repeat(81), 'A-b', '-ab', 'ab-', 'a--b', 'a b', 'ä-b', 'ab\n', 'a/b', ID])(
    'is not "%s"',
    (slug) => {
      expect(isSlug(slug)).toBe(false);
    },
  );

  test('of a title is its words in ASCII; with the end of the id when that one is taken', () => {
    expect(slugsFor('  École: sur l’Eau! ', ID)).toEqual(['ecole-sur-l-eau', 'ecole-sur-l-eau-23456789abcd']);
  });

  test.each(['পানি', 'Ab', '!', ID])('of the title "%s" is made of the id', (title) => {
    expect(slugsFor(title, ID)).toEqual(['campaign-23456789abcd']);
  });

  test('of any title is one, and the last choice differs from campaign to campaign', () => {
    const unit = fc.constantFrom(...Array.from('aB9 -_.éßΩপা👍\0\uD800'));
    const title = fc.string({ unit, maxLength: 140 });
    fc.assert(
      fc.property(title, (text) => {
        const [one, other] = [slugsFor(text, randomUUID()), slugsFor(text, randomUUID())];
        expect([...one, ...other].filter((slug) => !isSlug(slug))).toEqual([]);
        expect(one.at(-1)).not.toBe(other.at(-1));
      }),
    );
  });
});
