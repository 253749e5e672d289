/** What may be said about a campaign, when it is made and later. */
import { z } from 'zod';
import {
  MAX_AMOUNT_MINOR,
  MAX_DEADLINE_DAYS,
  MAX_DESCRIPTION_LENGTH,
  MAX_SLUG_LENGTH,
  MAX_STORY_LENGTH,
  MAX_TITLE_LENGTH,
  MAX_URL_LENGTH,
  MIN_SLUG_LENGTH,
} from '../../domain/limits.ts';
import { hasPassed } from '../../domain/campaign.ts';
import { isSlug } from '../../domain/slug.ts';
import { currencyCode } from '../http/openapi/fields.ts';
import { Problem } from '../http/problem.ts';

const NOT_A_URL = 'is not an https:// address without user and password';
/** As every browser will read it; nobody here ever fetches it. */
const coverUrl = z
  .string()
  .max(MAX_URL_LENGTH)
  .transform((text, context) => {
    const url = URL.parse(text);
    if (url?.protocol === 'https:' && url.username === '' && url.password === '') {
      if (url.href.length <= MAX_URL_LENGTH) return url.href;
    }
    context.addIssue({ code: 'custom', message: NOT_A_URL });
    return z.NEVER;
  });

/** RFC 3339: with seconds and an offset. Kept to the millisecond, in UTC. */
const deadline = z.iso
  .datetime({ offset: true, error: 'is not a time as in 2030-01-31T12:00:00Z' })
  .max(40)
  .regex(/^.{10}T\d\d:\d\d:\d\d/, 'is not a time with seconds')
  .transform((text) => new Date(text));

/** A goal may be larger than one donation, as large as a number holds exactly. */
const goal = z
  .int()
  .min(1)
  .max(MAX_AMOUNT_MINOR * 1_000);

const fields = {
  title: z.string().trim().min(1).max(MAX_TITLE_LENGTH),
  description: z.string().max(MAX_DESCRIPTION_LENGTH),
  story: z.string().max(MAX_STORY_LENGTH),
  slug: z
    .string()
    .refine(
      isSlug,
      `is not ${MIN_SLUG_LENGTH} to ${MAX_SLUG_LENGTH} of a-z, 0-9 and single hyphens between them`,
    )
    .meta({ minLength: MIN_SLUG_LENGTH, maxLength: MAX_SLUG_LENGTH, pattern: '^[a-z0-9]+(?:-[a-z0-9]+)*$' }),
  coverUrl: coverUrl.nullable(),
  goal: goal.nullable(),
  deadline: deadline.nullable(),
};

export const newCampaign = z.strictObject({
  title: fields.title,
  description: fields.description.default(''),
  story: fields.story.default(''),
  /** Without one it comes from the title. */
  slug: fields.slug.nullable().default(null),
  coverUrl: fields.coverUrl.default(null),
  currency: currencyCode,
  goal: fields.goal.default(null),
  deadline: fields.deadline.default(null),
  status: z.enum(['draft', 'open']).default('open'),
});
export type NewCampaign = z.infer<typeof newCampaign>;

/** What is not named stays as it is. */
export const campaignChanges = z.strictObject({
  title: fields.title.exactOptional(),
  description: fields.description.exactOptional(),
  story: fields.story.exactOptional(),
  slug: fields.slug.exactOptional(),
  coverUrl: fields.coverUrl.exactOptional(),
  goal: fields.goal.exactOptional(),
  deadline: fields.deadline.exactOptional(),
});
export type CampaignChanges = z.infer<typeof campaignChanges>;

const DAY_MS = 86_400_000;

/** Judged by the clock, so only when a deadline is set: the replay of an old request asks for one that has passed. */
export function requireFuture(value: Date | null, now: Date): void {
  if (value === null) return;
  const tooFar = value.getTime() > now.getTime() + MAX_DEADLINE_DAYS * DAY_MS;
  if (!tooFar && !hasPassed(value, now)) return;
  const detail = tooFar ? `is more than ${MAX_DEADLINE_DAYS} days ahead` : 'is not in the future';
  throw new Problem('invalid_body', { errors: [{ pointer: '/deadline', detail }] });
}
