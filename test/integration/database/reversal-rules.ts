// Money that goes back or comes late, and the commands that workflows are told: moves for the database to judge.
import { aPayment, change, operation, PAYMENT, paymentAt, refund } from './payment-moves.ts';
import type { Move, RefusedMove } from './rules.ts';

const CAPTURED = paymentAt('CAPTURED');
const REFUND = '00000000-0000-8000-8000-0000000000f1';
const OTHER_REFUND = '00000000-0000-8000-8000-0000000000f2';

function named(id: string, amount: number): string[] {
  return [
    `update payments set reserved = reserved + ${amount}`,
    `insert into refunds (id, payment_id, amount, requested_by) values ('${id}', '${PAYMENT}', ${amount}, 'operator')`,
  ];
}

/** A refund as it is asked for over HTTP, its amount reserved. */
function keyed(id: string, changes: Readonly<Record<string, string>> = {}): string[] {
  const columns = {
    id: `'${id}'`,
    payment_id: `'${PAYMENT}'`,
    amount: '500',
    requested_by: `'operator'`,
    scope: `'operator'`,
    idempotency_key: `'key-of-sixteen-c'`,
    fingerprint: `sha256('body')`,
    ...changes,
  };
  return [
    'update payments set reserved = reserved + 500',
    `insert into refunds (${Object.keys(columns).join(', ')}) values (${Object.values(columns).join(', ')})`,
  ];
}

function refundOperation(n: number, refundId: string | null): string {
  return operation('refund', n)
    .replace('provider_key)', 'provider_key, refund_id)')
    .replace(/\)$/, `, ${refundId === null ? 'null' : `'${refundId}'`})`);
}

function command(type = 'refund'): string {
  return `insert into workflow_commands (id, payment_id, type) values (gen_random_uuid(), '${PAYMENT}', '${type}')`;
}

/** Entries of one posting, each for the payment that it names: ours, the provider's, both or none. */
function entries(
  of: { readonly ours?: string; readonly theirs?: string },
  ...lines: readonly (readonly [account: string, amount: number])[]
): string[] {
  const quoted = (id: string | undefined): string => (id === undefined ? 'null' : `'${id}'`);
  return lines.map(
    ([account, amount]) =>
      `insert into ledger_entries (posting_id, payment_id, provider_payment_id, account, amount, currency)
       values ('unknown:1', ${quoted(of.ours)}, ${quoted(of.theirs)}, '${account}', ${amount}, 'USD')`,
  );
}

const refusedPayments: RefusedMove[] = [
  {
    name: 'a payment that waits for nobody we know',
    rule: 'payments_waiting_for_known',
    given: [aPayment()],
    when: `update payments set waiting_for = 'luck'`,
  },
  {
    name: 'late money with an unknown end',
    rule: 'payments_late_money_known',
    given: CAPTURED,
    when: `update payments set late_money = 'lost'`,
  },
  {
    name: 'late money that never came',
    rule: 'payments_late_money_was_captured',
    given: paymentAt('FAILED'),
    when: `update payments set late_money = 'undecided'`,
  },
  ...(
    [
      ['kept', `'refunded'`],
      ['refunded', `'kept'`],
      ['kept', `'undecided'`],
      ['refunded', 'null'],
    ] as const
  ).map(([from, to]) => ({
    name: `late money decided again, from ${from} to ${to}`,
    rule: 'payments_late_money_decided_once',
    given: [...CAPTURED, `update payments set late_money = '${from}'`],
    when: `update payments set late_money = ${to}`,
  })),
  ...[`'abandoned'`, 'null'].map((to) => ({
    name: `another reason of a release, ${to}`,
    rule: 'payments_release_code_set_once',
    given: [aPayment(), `update payments set release_code = 'cancelled_by_donor'`],
    when: `update payments set release_code = ${to}`,
  })),
  {
    name: 'a fee in no currency',
    rule: 'payments_fee_whole',
    given: CAPTURED,
    when: 'update payments set fee = 103',
  },
  {
    name: 'the currency of no fee',
    rule: 'payments_fee_whole',
    given: CAPTURED,
    when: `update payments set fee_currency = 'USD'`,
  },
  {
    name: 'a fee in lower-case currency',
    rule: 'payments_fee_currency_shape',
    given: CAPTURED,
    when: `update payments set fee = 103, fee_currency = 'usd'`,
  },
];

const refusedOperations: RefusedMove[] = [
  {
    name: 'the operation of a refund that it does not name',
    rule: 'payment_operations_refund_named',
    given: [...CAPTURED, ...named(REFUND, 500)],
    when: refundOperation(1, null),
  },
  {
    name: 'a capture that names a refund',
    rule: 'payment_operations_refund_named',
    given: [...CAPTURED, ...named(REFUND, 500)],
    when: refundOperation(1, REFUND).replaceAll(/refund(?=')|:refund:/g, (part) =>
      part.replace('refund', 'capture'),
    ),
  },
  {
    name: 'an operation of a refund that nobody asked for',
    rule: 'payment_operations_refund_id_fkey',
    given: CAPTURED,
    when: refundOperation(1, REFUND),
  },
  {
    name: 'an operation handed to another refund',
    rule: 'payment_operations_refund_immutable',
    given: [...CAPTURED, ...named(REFUND, 500), ...named(OTHER_REFUND, 500), refundOperation(1, REFUND)],
    when: `update payment_operations set refund_id = '${OTHER_REFUND}'`,
  },
  {
    name: 'two refunds under one number',
    rule: 'payment_operations_pkey',
    given: [...CAPTURED, ...named(REFUND, 500), ...named(OTHER_REFUND, 500), refundOperation(1, REFUND)],
    when: refundOperation(1, OTHER_REFUND),
  },
];

const refusedRefunds: RefusedMove[] = [
  ...[
    { scope: 'null' },
    { idempotency_key: 'null' },
    { fingerprint: 'null' },
    { scope: 'null', idempotency_key: 'null' },
  ].map((missing) => ({
    name: `a refund without ${Object.keys(missing).join(' and ')}`,
    rule: 'refunds_key_whole',
    given: CAPTURED,
    when: keyed(REFUND, missing),
  })),
  ...['fifteen-letters', 'x'.repeat(256), 'sixteen letters!', 'sixteen-lettérs!'].map((key) => ({
    name: `a refund under the key ${key.slice(0, 20)}`,
    rule: 'refunds_key_shape',
    given: CAPTURED,
    when: keyed(REFUND, { idempotency_key: `'${key}'` }),
  })),
  {
    name: 'a refund with a fingerprint of another length',
    rule: 'refunds_fingerprint_length',
    given: CAPTURED,
    when: keyed(REFUND, { fingerprint: `'\\x00'` }),
  },
  ...[
    `scope = 'organizer:1'`,
    `idempotency_key = 'key-of-sixteen-d'`,
    `fingerprint = sha256('other')`,
    'scope = null, idempotency_key = null, fingerprint = null',
  ].map((set) => ({
    name: `the key of a refund rewritten by ${set}`,
    rule: 'refunds_key_immutable',
    given: [...CAPTURED, ...keyed(REFUND)],
    when: `update refunds set ${set}`,
  })),
  {
    name: 'a key given to a refund that had none',
    rule: 'refunds_key_immutable',
    given: [...CAPTURED, ...refund('r1', 500)],
    when: `update refunds set scope = 'operator', idempotency_key = 'key-of-sixteen-c', fingerprint = sha256('body')`,
  },
  {
    name: 'two refunds with one key',
    rule: 'refunds_scope_idempotency_key_key',
    given: [...CAPTURED, ...keyed(REFUND)],
    when: keyed(OTHER_REFUND),
  },
  {
    name: 'a refund for a reason of 501 characters',
    rule: 'refunds_reason_length',
    given: CAPTURED,
    when: keyed(REFUND, { reason: `repeat('é', 501)` }),
  },
];

const refusedRecords: RefusedMove[] = [
  {
    name: 'a ledger entry of nobody',
    rule: 'ledger_entries_belong',
    given: [aPayment()],
    when: entries({}, ['provider_balance', 2500]),
  },
  {
    name: 'a ledger entry of our payment and of an unknown one',
    rule: 'ledger_entries_belong',
    given: [aPayment()],
    when: entries({ ours: PAYMENT, theirs: 'pi_unknown' }, ['provider_balance', 2500]),
  },
  {
    name: 'unknown money that we owe to a campaign',
    rule: 'ledger_entries_unknown_money_in_suspense',
    when: entries({ theirs: 'pi_unknown' }, ['provider_balance', 2500], ['campaign_payable', -2500]),
  },
  {
    name: 'an unknown command',
    rule: 'workflow_commands_type_known',
    given: [aPayment()],
    when: command('cancel'),
  },
  {
    name: 'a command about no payment',
    rule: 'workflow_commands_payment_id_fkey',
    when: command(),
  },
  {
    name: 'negative attempts of a command',
    rule: 'workflow_commands_attempts_range',
    given: [aPayment(), command()],
    when: 'update workflow_commands set attempts = -1',
  },
];

export const reversalRefusals: readonly RefusedMove[] = [
  ...refusedPayments,
  ...refusedOperations,
  ...refusedRefunds,
  ...refusedRecords,
];

export const reversalMoves: readonly Move[] = [
  {
    name: 'late money that is kept',
    given: paymentAt('FAILED'),
    when: [
      ...change(3, 'FAILED', 'CAPTURED', `captured = 2500, late_money = 'undecided'`),
      `update payments set late_money = 'kept'`,
      `update payments set late_money = 'kept'`,
    ],
  },
  {
    name: 'money that was not late and goes back after a cancel',
    given: CAPTURED,
    when: `update payments set late_money = 'refunded'`,
  },
  {
    name: 'the reason of a release, told twice',
    given: [aPayment()],
    when: [
      `update payments set release_code = 'cancelled_by_donor'`,
      `update payments set release_code = coalesce(release_code, 'abandoned')`,
    ],
  },
  {
    name: 'a payment that waits for its donor, then for a bank, then for nobody',
    given: [aPayment()],
    when: [`'action'`, `'processing'`, 'null'].map((who) => `update payments set waiting_for = ${who}`),
  },
  {
    name: "a fee in another currency than the payment's, and its correction",
    given: CAPTURED,
    when: [
      `update payments set fee = 103, fee_currency = 'EUR'`,
      `update payments set fee = 0, fee_currency = 'EUR'`,
    ],
  },
  {
    name: 'two refunds that share one series of numbers, one tried under two keys',
    given: [...CAPTURED, ...named(REFUND, 500), ...named(OTHER_REFUND, 500)],
    when: [refundOperation(1, REFUND), refundOperation(2, OTHER_REFUND), refundOperation(3, REFUND)],
  },
  {
    name: 'two refunds without a key, and two people with the same one',
    given: CAPTURED,
    when: [
      ...refund('r1', 500),
      ...refund('r2', 500),
      ...keyed(REFUND),
      ...keyed(OTHER_REFUND, { scope: `'organizer:1'` }),
    ],
  },
  {
    name: 'keys of 16 and of 255 characters, and a reason of 500',
    given: CAPTURED,
    when: [
      ...keyed(REFUND, { idempotency_key: `repeat('!', 16)` }),
      ...keyed(OTHER_REFUND, { idempotency_key: `repeat('~', 255)`, reason: `repeat('é', 500)` }),
    ],
  },
  {
    name: 'unknown money in suspense',
    when: entries({ theirs: 'pi_unknown' }, ['provider_balance', 2500], ['suspense', -2500]),
  },
  {
    name: 'a command delivered twice, and another one of the same kind',
    given: [aPayment(), command()],
    when: [
      `update workflow_commands set attempts = attempts + 1, claimed_until = now() + interval '30 s'`,
      `update workflow_commands set delivered_at = coalesce(delivered_at, now())`,
      command(),
      command('look'),
    ],
  },
];
