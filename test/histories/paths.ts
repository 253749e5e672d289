/** Every path of every workflow. A workflow that is new gets a file of its own beside these, and its line here. */
import { AFTERCARE_PATHS } from './aftercare-paths.ts';
import { DONATION_PATHS } from './donation-paths.ts';
import type { Paths } from './path.ts';
import { RECONCILIATION_PATHS } from './reconciliation-paths.ts';

/** By workflow type. */
export const PATHS: Readonly<Record<string, Paths>> = {
  donation: DONATION_PATHS,
  aftercare: AFTERCARE_PATHS,
  reconciliation: RECONCILIATION_PATHS,
};
