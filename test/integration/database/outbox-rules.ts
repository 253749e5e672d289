import type { Move, RefusedMove } from './rules.ts';

// The outbox is the same table in each service that has one.

const AGGREGATE = '00000000-0000-8000-8000-0000000000a1';
const event = (version = 1): string =>
  `insert into outbox_events (id, aggregate_id, version, type, payload)
   values (gen_random_uuid(), '${AGGREGATE}', ${version}, 'donation.captured.v1', '{}')`;

export const outboxRefusals: readonly RefusedMove[] = [
  {
    name: 'the same event of the same version twice',
    rule: 'outbox_events_aggregate_id_version_type_key',
    given: [event()],
    when: event(),
  },
  {
    name: 'an event published at no time',
    rule: 'outbox_events_processed_has_time',
    given: [event()],
    when: 'update outbox_events set processed = true',
  },
  {
    name: 'negative attempts of an event',
    rule: 'outbox_events_attempts_range',
    given: [event()],
    when: 'update outbox_events set attempts = -1',
  },
  ...[`id = gen_random_uuid()`, `version = 2`, `type = 'donation.failed.v1'`, `payload = '{"amount":1}'`].map(
    (set) => ({
      name: `an event rewritten by ${set}`,
      rule: 'outbox_events_content_immutable',
      given: [event()],
      when: `update outbox_events set ${set}`,
    }),
  ),
  {
    name: 'an unpublished event deleted',
    rule: 'outbox_events_unpublished_kept',
    given: [event()],
    when: 'delete from outbox_events',
  },
];

export const outboxMoves: readonly Move[] = [
  { name: 'two events of one donation', when: [event(1), event(2)] },
  {
    name: 'an event claimed, delayed, published and cleaned up',
    given: [event()],
    when: [
      `update outbox_events set attempts = attempts + 1, claimed_until = now() + interval '30 s'`,
      `update outbox_events set last_error = 'down', next_attempt_at = now() + interval '1 s'`,
      'update outbox_events set processed = true, processed_at = now()',
      'delete from outbox_events where processed',
    ],
  },
];
