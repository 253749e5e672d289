/** The readable address of a campaign: lower-case ASCII words joined by hyphens, told from an id by its shape. */
import { isUuid } from './ids.ts';
import { MAX_SLUG_LENGTH, MIN_SLUG_LENGTH } from './limits.ts';

const SLUG = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;
/** Leaves room for the end of an id, which tells two campaigns of one title apart. */
const MAX_BASE_LENGTH = 60;
const ID_END_LENGTH = 12;

export function isSlug(value: string): boolean {
  return (
    value.length >= MIN_SLUG_LENGTH && value.length <= MAX_SLUG_LENGTH && SLUG.test(value) && !isUuid(value)
  );
}

/** What a campaign may be called when nobody chose, best first; the last one is as unique as its id. */
export function slugsFor(title: string, id: string): readonly string[] {
  const base = title
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, MAX_BASE_LENGTH)
    .replaceAll(/^-|-$/g, '');
  const end = id.slice(-ID_END_LENGTH);
  return isSlug(base) ? [base, `${base}-${end}`] : [`campaign-${end}`];
}
