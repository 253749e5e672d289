/** Where `tctl`, the older CLI of Temporal, comes from. Nobody offers it for download any more, so Go builds the real one. */
import type { Step } from '../screen.ts';
import { ComponentMissing } from './component.ts';
import { buildProgram, builtProgram, presentProgram, type GoProgram } from './go-program.ts';

/** Its version stands in tools/tctl/go.mod: a module of its own, because it needs an older Temporal server library. */
const TCTL: GoProgram = {
  name: 'tctl',
  module: 'tools/tctl',
  package: 'github.com/temporalio/tctl/cmd/tctl',
  ldflags: '-s -w',
  packages: 900,
};

/** The one that is there already: on PATH, else from an earlier build. */
export function presentTctlBinary(): string | undefined {
  return presentProgram(TCTL);
}

/** As above, else built from the pinned Go module. Throws `ComponentMissing`. */
export async function obtainTctlBinary(step: Step): Promise<string> {
  const present = presentTctlBinary();
  if (present !== undefined) return present;
  const failure = await buildProgram(TCTL, step);
  if (failure === undefined) return builtProgram(TCTL);
  throw new ComponentMissing(
    `No tctl: it is not on PATH and its build failed (${failure}). ` +
      'Install Go 1.25 or later, or put tctl 1.18 on PATH.',
  );
}
