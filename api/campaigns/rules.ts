/** The database's rules, as far as a caller can break them without knowing. */
import { DatabaseError } from 'pg';
import { Problem } from '../http/problem.ts';

export function slugTaken(): Problem {
  return new Problem('slug_taken', { errors: [{ pointer: '/slug', detail: 'belongs to another campaign' }] });
}

/** The work's result, or the problem that a broken rule stands for. */
export async function ruled<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const rule = error instanceof DatabaseError ? error.constraint : undefined;
    if (rule === 'campaigns_slug_key') throw slugTaken();
    // Our clock said it was ahead; by the database's, which stamps the campaign, it was not.
    if (rule === 'campaigns_deadline_range')
      throw new Problem('invalid_body', {
        errors: [{ pointer: '/deadline', detail: 'is not in the future' }],
      });
    throw error;
  }
}
