/** What the cheapest workflow costs: one task, no activity. */
export async function noop(): Promise<void> {}
