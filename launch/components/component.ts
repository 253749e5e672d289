import type { Running } from '../running.ts';

/** Something the platform talks to: where it is, how that was found, and how to start it when it is not running yet. */
export type Component = {
  readonly name: string;
  readonly address: string;
  /** One line for the user: "PostgreSQL 15.3 at 127.0.0.1:5432 (was running)". */
  readonly how: string;
  /** Present when the launcher has to run it; resolves once it answers. */
  readonly start?: () => Promise<Running>;
};

export type Finding<Found extends Component = Component> =
  | { readonly found: Found; readonly warnings: readonly string[] }
  | { readonly found: null; readonly warnings: readonly string[] };

/** A component that cannot be had, with what to do about it, in a line or two for the user. */
export class ComponentMissing extends Error {
  override readonly name = 'ComponentMissing';
}

export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join(', ');
  return error instanceof Error ? error.message : String(error);
}

/** An address without its password, for messages. */
export function withoutPassword(url: string): string {
  try {
    const parsed = new URL(url);
    if (parsed.password !== '') parsed.password = '***';
    return parsed.href;
  } catch {
    return url;
  }
}
