// What reconciliation writes down: moves for the database to judge.
import type { Move, RefusedMove } from './rules.ts';

const RUN = '00000000-0000-4000-8000-00000000000a';
const ITEM = '00000000-0000-4000-8000-00000000000b';

function insert(table: string, columns: Readonly<Record<string, string>>): string {
  return `insert into ${table} (${Object.keys(columns).join(', ')}) values (${Object.values(columns).join(', ')})`;
}

function run(changes: Readonly<Record<string, string>> = {}): string {
  return insert('reconciliation_runs', {
    id: `'${RUN}'`,
    kind: `'full'`,
    lane: `'books'`,
    dry_run: 'false',
    window_from: `now() - interval '90 days'`,
    ...changes,
  });
}

function finding(changes: Readonly<Record<string, string>> = {}): string {
  return insert('reconciliation_findings', {
    run_id: `'${RUN}'`,
    class: `'STATUS'`,
    subject: `'pi_1'`,
    expected: `'"CAPTURED"'`,
    found: `'"canceled"'`,
    action: `'look'`,
    ...changes,
  });
}

function item(changes: Readonly<Record<string, string>> = {}): string {
  return insert('review_items', {
    id: `'${ITEM}'`,
    class: `'AMOUNT'`,
    subject: `'pi_1'`,
    expected: `'2500'`,
    found: `'9999'`,
    last_run_id: `'${RUN}'`,
    ...changes,
  });
}

const FINISHED = `update reconciliation_runs set status = 'finished', finished_at = now()`;
const RESOLVED = `update review_items set resolved_at = now(), resolved_by = 'operator'`;

export const reconciliationRefusals: readonly RefusedMove[] = [
  {
    name: 'a run of a kind that nobody knows',
    rule: 'reconciliation_runs_kind_known',
    // Its lane follows from the kind, whichever that is.
    when: run({ kind: `'weekly'` }),
  },
  {
    name: 'a run of the invariants in the way of those that ask the provider',
    rule: 'reconciliation_runs_lane_follows_kind',
    when: run({ kind: `'invariants'` }),
  },
  {
    name: 'a run that ended in a way that nobody knows',
    rule: 'reconciliation_runs_status_known',
    given: [run()],
    when: `update reconciliation_runs set status = 'lost', finished_at = now()`,
  },
  {
    name: 'a run that has ended at no time',
    rule: 'reconciliation_runs_finished_has_time',
    given: [run()],
    when: `update reconciliation_runs set status = 'finished'`,
  },
  {
    name: 'two runs at a time',
    rule: 'reconciliation_runs_one_at_a_time',
    given: [run()],
    when: run({ id: 'gen_random_uuid()', kind: `'delta'` }),
  },
  {
    name: 'a finding to be mended in a way that nobody knows',
    rule: 'reconciliation_findings_action_known',
    given: [run()],
    when: finding({ action: `'ignore'` }),
  },
  {
    name: 'a finding that turns into another',
    rule: 'reconciliation_findings_content_immutable',
    given: [run(), finding()],
    when: `update reconciliation_findings set found = '"succeeded"'`,
  },
  {
    name: 'a finding that is found twice in one run',
    rule: 'reconciliation_findings_pkey',
    given: [run(), finding()],
    when: finding(),
  },
  {
    name: 'a review that nobody has resolved',
    rule: 'review_items_resolved_by_somebody',
    given: [run(), item()],
    when: 'update review_items set resolved_at = now()',
  },
  {
    name: 'a note of 1001 characters',
    rule: 'review_items_note_length',
    given: [run(), item()],
    when: `update review_items set note = repeat('n', 1001)`,
  },
  {
    name: 'a resolved review that is opened again',
    rule: 'review_items_resolved_once',
    given: [run(), item(), RESOLVED],
    when: 'update review_items set resolved_at = null, resolved_by = null',
  },
  {
    name: 'a second open review of the same thing',
    rule: 'review_items_open_once',
    given: [run(), item()],
    when: item({ id: 'gen_random_uuid()' }),
  },
  {
    name: 'a review that is deleted',
    rule: 'review_items_never_deleted',
    given: [run(), item()],
    when: 'delete from review_items',
  },
];

export const reconciliationMoves: readonly Move[] = [
  { name: 'a run after another has ended', given: [run(), FINISHED], when: run({ id: 'gen_random_uuid()' }) },
  {
    name: 'a run of the invariants beside one that asks the provider',
    given: [run()],
    when: run({ id: 'gen_random_uuid()', kind: `'invariants'`, lane: `'invariants'` }),
  },
  {
    name: 'a finding that was mended',
    given: [run(), finding()],
    when: 'update reconciliation_findings set repaired_at = now()',
  },
  {
    name: 'a review of what was resolved before',
    given: [run(), item(), RESOLVED],
    when: item({ id: 'gen_random_uuid()' }),
  },
];
