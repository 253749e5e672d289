import type { Request } from 'express';
import type { FailureCode } from '../../domain/failures.ts';
import { isUuid } from '../../domain/ids.ts';
import { Problem } from './problem.ts';

/** An id from the path, in any spelling of its letters. What is no id is the id of nothing: throws `missing`. */
export function pathId(request: Request, name = 'id', missing: FailureCode = 'not_found'): string {
  const value = request.params[name];
  const id = typeof value === 'string' ? value.toLowerCase() : value;
  if (!isUuid(id)) throw new Problem(missing);
  return id;
}
