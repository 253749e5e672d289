import { DatabaseError } from 'pg';
import { expect, test } from 'vitest';
import { serializedError } from '../../../platform/log.ts';

const QUOTED = 'Failing row contains (7, Ada, ada@example.org).';

function refusal(): DatabaseError {
  const error = new DatabaseError('new row violates check constraint "named"', 1, 'error');
  const where = 'COPY people, line 1: "Ada"';
  return Object.assign(error, { code: '23514', constraint: 'named', detail: QUOTED, where });
}

test.each([
  ['what PostgreSQL refused', refusal()],
  ['several at once', new AggregateError([refusal()], 'all failed')],
  ['one that another error holds', Object.assign(new Error('not stored'), { original: refusal() })],
])('%s is logged with its rule and without the row', (_name, error) => {
  const text = JSON.stringify(serializedError(error));
  expect(text).toContain('"constraint":"named"');
  expect(text).toContain('log.test.ts');
  expect(text).not.toMatch(/Ada|ada@/);
});
