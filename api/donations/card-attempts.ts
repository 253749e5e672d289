/** Which cards a subject has tried, as rows that the API writes and the donation's outcome completes. */
import type { Pool } from 'pg';
import type { CardsTried } from '../../domain/card-testing.ts';
import { createBatcher } from '../../platform/batcher.ts';

/** A keyed digest of an address, an account or a campaign. */
export type Subject = { readonly digest: Buffer; readonly maxTried: number };

export type Tried = CardsTried & {
  /** Until the first of what was counted leaves the window. */
  readonly clearsInMs: number;
};

export type CardAttempt = {
  readonly donationId: string;
  readonly subjects: readonly Buffer[];
  readonly card: Buffer;
};

export type CardAttempts = {
  note(attempt: CardAttempt): Promise<void>;
  of(subject: Subject): Promise<Tried>;
};

/** Enough to know a share by, and few enough to read for each donation. */
const RECENT_DECIDED = 200;
const QUEUE = { maxBatch: 128, maxWaiting: 4_000, maxWaitMs: 3_000 } as const;

type Row = CardsTried & { readonly digest: string; readonly clearsInMs: number };

export function createCardAttempts(pool: Pool, windowSeconds: number): CardAttempts {
  const notes = createBatcher<CardAttempt, undefined>({
    ...QUEUE,
    maxRunning: 1,
    run: async (attempts) => {
      const rows = attempts.flatMap(({ subjects, ...attempt }) =>
        subjects.map((subject) => ({ ...attempt, subject })),
      );
      await pool.query({
        name: 'card-attempts-note',
        text: `INSERT INTO card_attempts (donation_id, subject, card)
               SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) ON CONFLICT DO NOTHING`,
        values: [
          rows.map(({ donationId }) => donationId),
          rows.map(({ subject }) => subject),
          rows.map(({ card }) => card),
        ],
      });
      return attempts.map(() => undefined);
    },
  });
  const looks = createBatcher<Subject, Tried>({
    ...QUEUE,
    maxRunning: 1,
    run: async (subjects) => {
      const asked = new Map(subjects.map((subject) => [subject.digest.toString('hex'), subject]));
      const { rows } = await pool.query<Row>({
        name: 'card-attempts-look',
        text: LOOK,
        values: [
          [...asked.values()].map(({ digest }) => digest),
          [...asked.values()].map(({ maxTried }) => maxTried),
          windowSeconds,
        ],
      });
      const found = new Map(rows.map(({ digest, ...tried }) => [digest, tried]));
      return subjects.map(({ digest }) => found.get(digest.toString('hex')) ?? NOTHING);
    },
  });
  return {
    note: (attempt) => notes.add(attempt),
    of: (subject) => looks.add(subject),
  };
}

const NOTHING: Tried = { triedCards: 0, declinedCards: 0, decidedCards: 0, clearsInMs: 0 };

/** Both halves read a bounded piece of an index, newest first. */
const LOOK = `
  SELECT encode(asked.digest, 'hex') AS digest, tried.cards AS "triedCards", outcome.cards AS "declinedCards",
    outcome.decided_cards AS "decidedCards",
    coalesce(ceil(1000 * extract(epoch FROM coalesce(outcome.first_at, tried.first_at) + make_interval(secs => $3) - now())), 0)::int AS "clearsInMs"
  FROM unnest($1::bytea[], $2::int[]) AS asked(digest, max_tried)
  CROSS JOIN LATERAL (
    SELECT count(DISTINCT card)::int AS cards, min(attempted_at) AS first_at FROM (
      SELECT card, attempted_at FROM card_attempts
      WHERE subject = asked.digest AND attempted_at > now() - make_interval(secs => $3)
      ORDER BY attempted_at DESC LIMIT asked.max_tried) AS recent) AS tried
  CROSS JOIN LATERAL (
    SELECT count(DISTINCT card) FILTER (WHERE declined)::int AS cards, count(DISTINCT card)::int AS decided_cards,
      min(decided_at) FILTER (WHERE declined) AS first_at FROM (
      SELECT card, declined, decided_at FROM card_attempts
      WHERE subject = asked.digest AND decided_at > now() - make_interval(secs => $3)
      ORDER BY decided_at DESC LIMIT ${RECENT_DECIDED}) AS recent) AS outcome`;
