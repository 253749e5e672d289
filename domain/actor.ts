/** Who asks. Each role may do what its own line says; nobody has two. */
export const ROLES = [
  /** Gives, and sees their own donations. */
  'donor',
  /** Runs campaigns of their own, and gives donations to them back. */
  'organizer',
  /** Runs the platform: every campaign, every donation, every account. */
  'operator',
] as const;
export type Role = (typeof ROLES)[number];

export type User = { readonly kind: 'user'; readonly id: string; readonly role: Role };
export type Guest = { readonly kind: 'guest' };
export type Actor = User | Guest;

export const GUEST: Guest = { kind: 'guest' };

/** The namespace of an actor's idempotency keys: the same key of two principals is two requests. */
export function scopeOf(actor: Actor): 'guest' | `user:${string}` {
  return actor.kind === 'guest' ? 'guest' : `user:${actor.id}`;
}
