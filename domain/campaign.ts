/** Who may do what with a campaign, and until when. */
import type { Actor } from './actor.ts';

export const CAMPAIGN_STATUSES = ['draft', 'open', 'closed'] as const;
/** Only ever forward. */
export type CampaignStatus = (typeof CAMPAIGN_STATUSES)[number];

/** Whoever may change a campaign; until it is published, nobody else knows of it. A null owner is the platform. */
export function mayManage(actor: Actor, ownerId: string | null): boolean {
  if (actor.kind === 'guest') return false;
  return actor.role === 'operator' || (actor.role === 'organizer' && actor.id === ownerId);
}

/** The moment of the deadline is already after it. */
export function hasPassed(deadline: Date | null, now: Date): boolean {
  return deadline !== null && deadline <= now;
}

/** What no edit changes any more: links are out in the world, and what a campaign was to reach is history. */
export function fixedFields(
  { status, deadline }: { readonly status: CampaignStatus; readonly deadline: Date | null },
  now: Date,
): readonly ('slug' | 'goal' | 'deadline')[] {
  if (status === 'draft') return [];
  const ended = status === 'closed' || hasPassed(deadline, now);
  return ended ? ['slug', 'goal', 'deadline'] : ['slug'];
}
