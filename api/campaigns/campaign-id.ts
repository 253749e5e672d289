import type { Request } from 'express';
import { isUuid } from '../../domain/ids.ts';
import { Problem } from '../http/problem.ts';

/** From the path, in any spelling of its letters. What is no id is the id of nothing. */
export function campaignId(request: Request): string {
  const { id } = request.params;
  const lower = typeof id === 'string' ? id.toLowerCase() : id;
  if (!isUuid(lower)) throw new Problem('campaign_not_found');
  return lower;
}
