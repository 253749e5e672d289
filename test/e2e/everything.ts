/** All that a platform holds outside Temporal: what must be the same before and after something that has no effect. */
import type { Stack } from '../harness/stack.ts';

/** Every row of every table of the four databases, and the provider's ledger. */
export async function everything(stack: Stack): Promise<Record<string, unknown>> {
  const databases = await Promise.all(
    Object.entries(stack.pools).map(async ([service, pool]) => {
      const { rows: tables } = await pool.query<{ name: string }>(
        `SELECT table_name AS name FROM information_schema.tables
         WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1`,
      );
      const contents = [];
      for (const { name } of tables) {
        const { rows } = await pool.query<{ row: unknown }>(
          `SELECT to_jsonb(t) AS row FROM "${name}" t ORDER BY to_jsonb(t)::text`,
        );
        contents.push([`${service}.${name}`, rows.map(({ row }) => row)] as const);
      }
      return contents;
    }),
  );
  return { ...Object.fromEntries(databases.flat()), ledger: await stack.simulator.ledger() };
}
