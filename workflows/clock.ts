/** Milliseconds since 1970. In the sandbox `Date` is the workflow's own clock: a replay reads the same times again. */
export function nowMs(): number {
  return Date.now();
}
