import { describe, expect, test } from 'vitest';
import { GUEST, ROLES, type Role, type User } from '../../../domain/actor.ts';
import { fixedFields, hasPassed, mayManage } from '../../../domain/campaign.ts';

const user = (role: Role, id = 'ada'): User => ({ kind: 'user', id, role });
const now = new Date('2030-01-01T00:00:00Z');
const [before, after] = [new Date(now.getTime() - 1), new Date(now.getTime() + 1)];

test('a campaign is managed by its organizer and by every operator, the platform’s own by operators', () => {
  const managers = (ownerId: string | null, id: string): Role[] =>
    ROLES.filter((role) => mayManage(user(role, id), ownerId));
  expect(managers('ada', 'ada')).toEqual(['organizer', 'operator']);
  expect(managers('ada', 'bob')).toEqual(['operator']);
  expect(managers(null, 'ada')).toEqual(['operator']);
  expect(mayManage(GUEST, null)).toBe(false);
});

test('a deadline has passed from its very moment on', () => {
  expect([before, now, after, null].map((deadline) => hasPassed(deadline, now))).toEqual([
    true,
    true,
    false,
    false,
  ]);
});

describe('of a campaign', () => {
  test.each([
    ['draft', null, []],
    ['draft', before, []],
    ['open', null, ['slug']],
    ['open', after, ['slug']],
    ['open', now, ['slug', 'goal', 'deadline']],
    ['closed', null, ['slug', 'goal', 'deadline']],
    ['closed', after, ['slug', 'goal', 'deadline']],
  ] as const)('that is %s with the deadline %s, %j are fixed', (status, deadline, fixed) => {
    expect(fixedFields({ status, deadline }, now)).toEqual(fixed);
  });
});
