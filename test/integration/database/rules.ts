import { DatabaseError, type Pool } from 'pg';

/** Statements that run one after the other in one transaction; the last part is the move under test. */
export type Move = {
  readonly name: string;
  readonly given?: readonly string[];
  readonly when: string | readonly string[];
};
/** A move that the database refuses, naming this rule (a CHECK, a trigger or a unique constraint). */
export type RefusedMove = Move & { readonly rule: string };

/** What became of a move: `accepted`, or the name of the rule that refused it. */
export type Verdict = { readonly given: string; readonly when: string };

/**
 * Tries a move and rolls it back. Deferred rules are checked where the commit would check them: once after `given` and
 * once after `when`.
 */
export async function tryMove(pool: Pool, move: Move): Promise<Verdict> {
  const client = await pool.connect();
  const run = async (statements: readonly string[]): Promise<string> => {
    try {
      for (const statement of statements) await client.query(statement);
      await client.query('set constraints all immediate');
      await client.query('set constraints all deferred');
      return 'accepted';
    } catch (error) {
      if (error instanceof DatabaseError) return error.constraint ?? error.message;
      throw error;
    }
  };
  try {
    await client.query('begin');
    const given = await run(move.given ?? []);
    const when =
      given === 'accepted' ? await run(typeof move.when === 'string' ? [move.when] : move.when) : 'not tried';
    return { given, when };
  } finally {
    await client.query('rollback');
    client.release();
  }
}

/** Every CHECK and every trigger of the database, by name. */
export async function rulesOf(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `select conname as name from pg_constraint where contype = 'c' and connamespace = 'public'::regnamespace
     union
     select tgname from pg_trigger where not tgisinternal
     order by name`,
  );
  return rows.map((row) => row.name);
}
