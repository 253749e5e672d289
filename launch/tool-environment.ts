/** How Temporal's tools learn which server and namespace are meant, unless whoever calls them says so. */
import { wholeEnvironment } from './options.ts';

/** By which variable each tool takes what we call `TEMPORAL_ADDRESS` and `TEMPORAL_NAMESPACE`; its flags go before. */
const VARIABLES = {
  temporal: { TEMPORAL_ADDRESS: 'TEMPORAL_ADDRESS', TEMPORAL_NAMESPACE: 'TEMPORAL_NAMESPACE' },
  tctl: { TEMPORAL_ADDRESS: 'TEMPORAL_CLI_ADDRESS', TEMPORAL_NAMESPACE: 'TEMPORAL_CLI_NAMESPACE' },
} as const;

export type ToolName = keyof typeof VARIABLES;

export function isToolName(name: string): name is ToolName {
  return Object.hasOwn(VARIABLES, name);
}

/** A server that is named by a profile of `temporal` would lose against one that a variable names. */
const NAMES_A_PROFILE = /^--(?:profile|config-file|env|env-file)(?:=|$)/;
const PROFILE_VARIABLES = ['TEMPORAL_PROFILE', 'TEMPORAL_CONFIG_FILE', 'TEMPORAL_ENV'];

/** The caller's own environment, completed by what is known of the system; what the caller has set stays as it is. */
export function toolEnvironment(
  tool: ToolName,
  args: readonly string[],
  known: Readonly<Record<string, string | undefined>>,
  environment: Readonly<Record<string, string>> = wholeEnvironment(),
): Record<string, string> {
  const namesProfile =
    args.some((arg) => NAMES_A_PROFILE.test(arg)) || PROFILE_VARIABLES.some((name) => environment[name]);
  if (tool === 'temporal' && namesProfile) return { ...environment };
  const added: Record<string, string> = {};
  for (const [ours, theirs] of Object.entries(VARIABLES[tool])) {
    const value = known[ours];
    if (value !== undefined && !environment[theirs]) added[theirs] = value;
  }
  return { ...environment, ...added };
}
