import type { Pool } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPool } from '../../../platform/postgres.ts';
import { isolatedDatabases } from './isolated-databases.ts';
import { outboxMoves, outboxRefusals } from './outbox-rules.ts';
import {
  anEvent,
  aPayment,
  aPosting,
  aRefund,
  change,
  dispute,
  fact,
  operation,
  PAYMENT,
  paymentAt,
  posting,
  refund,
  refundSettled,
} from './payment-moves.ts';
import { reconciliationMoves, reconciliationRefusals } from './reconciliation-rules.ts';
import { reversalMoves, reversalRefusals } from './reversal-rules.ts';
import { rulesOf, tryMove, type Move, type RefusedMove } from './rules.ts';

const { urls } = isolatedDatabases(['payments']);
let pool: Pool;
beforeAll(() => {
  pool = createPool({ url: urls.payments, max: 2, name: 'test' });
});
afterAll(async () => {
  await pool.end();
});

const refusedPayments: RefusedMove[] = [
  { name: 'a payment of nothing', rule: 'payments_amount_range', when: aPayment({ amount: '0' }) },
  { name: 'a negative payment', rule: 'payments_amount_range', when: aPayment({ amount: '-1' }) },
  {
    name: 'a payment above the largest charge',
    rule: 'payments_amount_range',
    when: aPayment({ amount: '100000000' }),
  },
  {
    name: 'a payment in lower-case currency',
    rule: 'payments_currency_shape',
    when: aPayment({ currency: `'usd'` }),
  },
  {
    name: 'a payment under an id of its own',
    rule: 'payments_id_is_donation_id',
    when: aPayment({ id: 'gen_random_uuid()' }),
  },
  {
    name: 'a payment that begins captured',
    rule: 'payments_begin_unproven',
    when: aPayment({ state: `'CAPTURED'`, captured: '2500' }),
  },
  {
    name: 'a payment that begins at version 1',
    rule: 'payments_begin_unproven',
    when: aPayment({ version: '1' }),
  },
  {
    name: 'the same object of the provider for two donations',
    rule: 'payments_provider_payment_id_key',
    given: [aPayment({ provider_payment_id: `'pi_1'` })],
    when: aPayment({ id: 'uuid_nil', donation_id: 'uuid_nil', provider_payment_id: `'pi_1'` }).replaceAll(
      'uuid_nil',
      `'00000000-0000-0000-0000-000000000000'`,
    ),
  },
  {
    name: 'a second object of the provider for one donation',
    rule: 'payments_provider_id_set_once',
    given: [aPayment({ provider_payment_id: `'pi_1'` })],
    when: `update payments set provider_payment_id = 'pi_2'`,
  },
  {
    name: 'a forgotten object of the provider',
    rule: 'payments_provider_id_set_once',
    given: [aPayment({ provider_payment_id: `'pi_1'` })],
    when: 'update payments set provider_payment_id = null',
  },
  ...[
    `amount = 2501`,
    `currency = 'EUR'`,
    `campaign_id = gen_random_uuid()`,
    `donation_id = gen_random_uuid()`,
    `provider = 'other'`,
  ].map((set) => ({
    name: `a payment rewritten by ${set}`,
    rule: 'payments_money_immutable',
    given: [aPayment()],
    when: `update payments set ${set}`,
  })),
  {
    name: 'a deleted payment',
    rule: 'payments_never_deleted',
    given: [aPayment()],
    when: 'delete from payments',
  },
  {
    name: 'more captured than pledged',
    rule: 'payments_captured_range',
    given: [aPayment()],
    when: fact(1, 'CAPTURED', 'captured = 2501'),
  },
  {
    name: 'a negative capture',
    rule: 'payments_captured_never_falls',
    given: [aPayment()],
    when: fact(1, 'INITIATED', 'captured = -1'),
  },
  {
    name: 'a capture that falls',
    rule: 'payments_captured_never_falls',
    given: paymentAt('CAPTURED'),
    when: fact(3, 'CAPTURED', 'captured = 2499'),
  },
  {
    name: 'a capture that vanishes',
    rule: 'payments_captured_never_falls',
    given: paymentAt('CAPTURED'),
    when: fact(3, 'AUTHORIZED', 'captured = 0'),
  },
  {
    name: 'an authorization undone',
    rule: 'payments_authorized_never_undone',
    given: paymentAt('AUTHORIZED'),
    when: fact(2, 'INITIATED', 'authorized = false'),
  },
  {
    name: 'a failure undone',
    rule: 'payments_closing_never_undone',
    given: paymentAt('FAILED'),
    when: fact(3, 'AUTHORIZED', 'closed_as = null, closed_code = null'),
  },
  {
    name: 'a failure that becomes an expiry',
    rule: 'payments_closing_never_undone',
    given: paymentAt('FAILED'),
    when: fact(3, 'EXPIRED', `closed_as = 'EXPIRED', closed_code = 'authorization_expired'`),
  },
  {
    name: 'a failure with another reason',
    rule: 'payments_closing_never_undone',
    given: paymentAt('FAILED'),
    when: fact(3, 'FAILED', `closed_code = 'other'`),
  },
  {
    name: 'a failure without a reason',
    rule: 'payments_closed_has_code',
    given: [aPayment()],
    when: fact(1, 'FAILED', `closed_as = 'FAILED'`),
  },
  {
    name: 'a closing of an unknown kind',
    rule: 'payments_closed_as_known',
    given: [aPayment()],
    when: fact(1, 'GONE', `closed_as = 'GONE', closed_code = 'x'`),
  },
  {
    name: 'a status that falls with no refund failing',
    rule: 'payments_state_never_falls',
    given: paymentAt('CAPTURED'),
    when: fact(3, 'AUTHORIZED', 'updated_at = now()'),
  },
  {
    name: 'a state that the facts do not give',
    rule: 'payments_state_follows_facts',
    given: [aPayment()],
    when: fact(1, 'CAPTURED', 'authorized = true'),
  },
  {
    name: 'an unknown state',
    rule: 'payments_state_follows_facts',
    given: [aPayment()],
    when: fact(1, 'PAID', 'authorized = true'),
  },
  {
    name: 'a decline that overwrites a capture',
    rule: 'payments_state_never_falls',
    given: paymentAt('CAPTURED'),
    when: fact(3, 'FAILED', `closed_as = 'FAILED', closed_code = 'payment_declined'`),
  },
  {
    name: 'a fact at the old version',
    rule: 'payments_version_counts_changes',
    given: [aPayment()],
    when: `update payments set authorized = true, state = 'AUTHORIZED'`,
  },
  {
    name: 'a fact that skips a version',
    rule: 'payments_version_counts_changes',
    given: [aPayment()],
    when: fact(2, 'AUTHORIZED', 'authorized = true'),
  },
  {
    name: 'a version that falls',
    rule: 'payments_version_counts_changes',
    given: paymentAt('AUTHORIZED'),
    when: 'update payments set version = 0',
  },
  {
    name: 'a version that jumps',
    rule: 'payments_version_counts_changes',
    given: [aPayment()],
    when: 'update payments set version = 2',
  },
  {
    name: 'a change without its transition',
    rule: 'payments_change_is_recorded',
    given: [aPayment()],
    when: fact(1, 'AUTHORIZED', 'authorized = true'),
  },
  {
    name: 'a change whose transition tells another state',
    rule: 'payments_change_is_recorded',
    given: [aPayment()],
    when: change(1, 'INITIATED', 'AUTHORIZED', 'authorized = true').map((sql) =>
      sql.replace(`'AUTHORIZED', '{}'`, `'CAPTURED', '{}'`),
    ),
  },
];

const refusedRefunds: RefusedMove[] = [
  {
    name: 'a negative sum of refunds',
    rule: 'payments_refunded_range',
    given: paymentAt('CAPTURED'),
    when: fact(3, 'CAPTURED', 'refunded = -1'),
  },
  {
    name: 'a negative reservation',
    rule: 'payments_reserved_range',
    given: paymentAt('CAPTURED'),
    when: 'update payments set reserved = -1',
  },
  {
    name: 'a refund before the capture',
    rule: 'payments_refund_limit',
    given: paymentAt('AUTHORIZED'),
    when: refund('r1', 1),
  },
  {
    name: 'a refund beyond the capture',
    rule: 'payments_refund_limit',
    given: paymentAt('CAPTURED'),
    when: refund('r1', 2501),
  },
  {
    name: 'two refunds that together exceed the capture',
    rule: 'payments_refund_limit',
    given: [...paymentAt('CAPTURED'), ...refund('r1', 1500)],
    when: refund('r2', 1001),
  },
  {
    name: 'a refund of what was refunded already',
    rule: 'payments_refund_limit',
    given: [...paymentAt('CAPTURED'), ...refund('r1', 2500), ...refundSettled('r1', 'REFUNDED', 3, 2500)],
    when: refund('r2', 1),
  },
  {
    name: 'a refund of nothing',
    rule: 'refunds_amount_range',
    given: paymentAt('CAPTURED'),
    when: aRefund('r1', 0),
  },
  {
    name: 'a negative refund',
    rule: 'refunds_amount_range',
    given: paymentAt('CAPTURED'),
    when: aRefund('r1', -5),
  },
  {
    name: 'a refund in an unknown status',
    rule: 'refunds_status_known',
    given: paymentAt('CAPTURED'),
    when: aRefund('r1', 5, 'done'),
  },
  {
    name: 'a refund that nobody reserved',
    rule: 'refunds_add_up',
    given: paymentAt('CAPTURED'),
    when: aRefund('r1', 500),
  },
  {
    name: 'a refund that succeeds without its payment',
    rule: 'refunds_add_up',
    given: [...paymentAt('CAPTURED'), ...refund('r1', 500)],
    when: `update refunds set status = 'succeeded'`,
  },
  {
    name: 'a reservation without a refund',
    rule: 'payments_refunds_add_up',
    given: paymentAt('CAPTURED'),
    when: 'update payments set reserved = 500',
  },
  {
    name: 'a status that falls though no refund failed',
    rule: 'payments_refunds_add_up',
    given: [...paymentAt('CAPTURED'), ...refund('r1', 2500), ...refundSettled('r1', 'REFUNDED', 3, 2500)],
    when: change(4, 'REFUNDED', 'CAPTURED', 'refunded = 0'),
  },
  ...(
    [
      ['succeeded', 'pending'],
      ['failed', 'pending'],
      ['failed', 'succeeded'],
    ] as const
  ).map(([from, to]) => ({
    name: `a refund going back from ${from} to ${to}`,
    rule: 'refunds_status_never_falls',
    given: [
      ...paymentAt('CAPTURED'),
      ...refund('r1', 500),
      ...(from === 'succeeded'
        ? refundSettled('r1', 'PARTIALLY_REFUNDED', 3, 500)
        : [`update refunds set status = 'failed'`, 'update payments set reserved = 0']),
    ],
    when: `update refunds set status = '${to}'`,
  })),
  {
    name: 'a refund of another amount',
    rule: 'refunds_money_immutable',
    given: [...paymentAt('CAPTURED'), ...refund('r1', 500)],
    when: 'update refunds set amount = 400',
  },
  {
    name: 'a second object of the provider for one refund',
    rule: 'refunds_provider_id_set_once',
    given: [...paymentAt('CAPTURED'), ...refund('r1', 500), `update refunds set provider_refund_id = 're_1'`],
    when: `update refunds set provider_refund_id = 're_2'`,
  },
  {
    name: 'the same object of the provider for two refunds',
    rule: 'refunds_provider_refund_id_key',
    given: [
      ...paymentAt('CAPTURED'),
      ...refund('r1', 500),
      ...refund('r2', 500),
      `update refunds set provider_refund_id = 're_1' where requested_by = 'r1'`,
    ],
    when: `update refunds set provider_refund_id = 're_1' where requested_by = 'r2'`,
  },
  {
    name: 'a deleted refund',
    rule: 'refunds_never_deleted',
    given: [...paymentAt('CAPTURED'), ...refund('r1', 500)],
    when: 'delete from refunds',
  },
  {
    name: 'a dispute about nothing',
    rule: 'disputes_amount_range',
    given: paymentAt('CAPTURED'),
    when: dispute('opened', 0),
  },
  {
    name: 'a dispute in an unknown status',
    rule: 'disputes_status_known',
    given: paymentAt('CAPTURED'),
    when: dispute('draw'),
  },
  {
    name: 'a dispute reported twice',
    rule: 'disputes_provider_dispute_id_key',
    given: [...paymentAt('CAPTURED'), dispute('opened')],
    when: dispute('opened'),
  },
  {
    name: 'a dispute about another amount',
    rule: 'disputes_money_immutable',
    given: [...paymentAt('CAPTURED'), dispute('opened')],
    when: 'update disputes set amount = 1',
  },
  ...(
    [
      ['won', 'lost'],
      ['lost', 'won'],
      ['lost', 'opened'],
      ['won', 'opened'],
    ] as const
  ).map(([from, to]) => ({
    name: `a dispute that was ${from} and is ${to}`,
    rule: 'disputes_outcome_is_final',
    given: [...paymentAt('CAPTURED'), dispute(from)],
    when: `update disputes set status = '${to}'`,
  })),
  {
    name: 'a deleted dispute',
    rule: 'disputes_never_deleted',
    given: [...paymentAt('CAPTURED'), dispute('won')],
    when: 'delete from disputes',
  },
];

const refusedRecords: RefusedMove[] = [
  {
    name: 'an unknown operation',
    rule: 'payment_operations_operation_known',
    given: [aPayment()],
    when: operation('charge', 1),
  },
  {
    name: 'an operation number zero',
    rule: 'payment_operations_n_range',
    given: [aPayment()],
    when: operation('capture', 0),
  },
  {
    name: 'an operation under the key of another',
    rule: 'payment_operations_provider_key_derived',
    given: [aPayment()],
    when: operation('capture', 2, `${PAYMENT}:capture:1`),
  },
  {
    name: 'an operation twice',
    rule: 'payment_operations_pkey',
    given: [aPayment(), operation('capture', 1)],
    when: operation('capture', 1),
  },
  {
    name: 'an operation of no payment',
    rule: 'payment_operations_payment_id_fkey',
    when: operation('capture', 1),
  },
  {
    name: 'negative attempts of an operation',
    rule: 'payment_operations_attempts_range',
    given: [aPayment(), operation('capture', 1)],
    when: 'update payment_operations set attempts = -1',
  },
  {
    name: 'an answer at no time',
    rule: 'payment_operations_answer_has_time',
    given: [aPayment(), operation('capture', 1)],
    when: `update payment_operations set answer = '{}'`,
  },
  ...[
    `answer = '{"kind":"no"}'`,
    'answer = null, answered_at = null',
    `answered_at = now() + interval '1 s'`,
  ].map((set) => ({
    name: `a known answer replaced by ${set}`,
    rule: 'payment_operations_answer_set_once',
    given: [
      aPayment(),
      operation('capture', 1),
      `update payment_operations set answer = '{"kind":"yes"}', answered_at = now()`,
    ],
    when: `update payment_operations set ${set}`,
  })),
  {
    name: 'an operation that began at another time',
    rule: 'payment_operations_identity_immutable',
    given: [aPayment(), operation('capture', 1)],
    when: `update payment_operations set started_at = now() - interval '1 h'`,
  },
  {
    name: 'a deleted operation',
    rule: 'payment_operations_never_deleted',
    given: [aPayment(), operation('capture', 1)],
    when: 'delete from payment_operations',
  },

  {
    name: 'a transition to version 0',
    rule: 'payment_transitions_version_range',
    given: [aPayment()],
    when: change(0, 'INITIATED', 'INITIATED', '').slice(1),
  },
  {
    name: 'a transition to an unknown state',
    rule: 'payment_transitions_states_known',
    given: [aPayment()],
    when: change(1, 'INITIATED', 'PAID', '').slice(1),
  },
  {
    name: 'a transition without a list of entries',
    rule: 'payment_transitions_entries_list',
    given: [aPayment()],
    when: change(1, 'INITIATED', 'AUTHORIZED', '')
      .slice(1)
      .map((sql) => sql.replace(`'[]'`, `'{}'`)),
  },
  {
    name: 'the same version twice',
    rule: 'payment_transitions_pkey',
    given: paymentAt('AUTHORIZED'),
    when: change(1, 'INITIATED', 'AUTHORIZED', '').slice(1),
  },
  ...['update payment_transitions set at = now()', 'delete from payment_transitions'].map((when) => ({
    name: `an audit trail rewritten by ${when}`,
    rule: 'payment_transitions_append_only',
    given: paymentAt('AUTHORIZED'),
    when,
  })),

  { name: 'an event twice', rule: 'webhook_events_pkey', given: [anEvent()], when: anEvent() },
  {
    name: 'an event above 256 kB',
    rule: 'webhook_events_payload_size',
    when: anEvent(`repeat('x', 262145)`),
  },
  {
    name: 'negative attempts of an event',
    rule: 'webhook_events_attempts_range',
    given: [anEvent()],
    when: 'update webhook_events set attempts = -1',
  },
  ...[
    `payload = '{}'`,
    `type = 'charge.refunded'`,
    `object_id = 'pi_2'`,
    'livemode = true',
    `received_at = now() - interval '1 h'`,
  ].map((set) => ({
    name: `an event rewritten by ${set}`,
    rule: 'webhook_events_content_immutable',
    given: [anEvent()],
    when: `update webhook_events set ${set}`,
  })),

  {
    name: 'a posting that does not balance',
    rule: 'ledger_entries_posting_balances',
    given: [aPayment()],
    when: posting(['provider_balance', 2500], ['campaign_payable', -2499]),
  },
  {
    name: 'half a posting',
    rule: 'ledger_entries_posting_balances',
    given: [aPayment()],
    when: posting(['provider_balance', 2500]),
  },
  {
    name: 'a posting that balances only across currencies',
    rule: 'ledger_entries_posting_balances',
    given: [aPayment()],
    when: [
      ...posting(['provider_balance', 2500]),
      ...posting(['campaign_payable', -2500]).map((sql) => sql.replace('USD', 'EUR')),
    ],
  },
  {
    name: 'an entry added to a closed posting',
    rule: 'ledger_entries_posting_balances',
    given: aPosting(),
    when: posting(['provider_fees', 30]),
  },
  {
    name: 'a posting booked twice',
    rule: 'ledger_entries_posting_id_account_key',
    given: aPosting(),
    when: posting(['provider_balance', 2500], ['campaign_payable', -2500]),
  },
  {
    name: 'an entry on no account of ours',
    rule: 'ledger_entries_account_known',
    given: [aPayment()],
    when: posting(['petty_cash', 1]),
  },
  {
    name: 'an entry that moves nothing',
    rule: 'ledger_entries_amount_moves',
    given: [aPayment()],
    when: posting(['suspense', 0]),
  },
  {
    name: 'an entry in lower-case currency',
    rule: 'ledger_entries_currency_shape',
    given: [aPayment()],
    when: posting(['suspense', 1]).map((sql) => sql.replace('USD', 'usd')),
  },
  ...['update ledger_entries set amount = -amount', 'delete from ledger_entries'].map((when) => ({
    name: `a ledger rewritten by ${when}`,
    rule: 'ledger_entries_append_only',
    given: aPosting(),
    when,
  })),
];

const accepted: Move[] = [
  { name: 'the smallest payment', when: aPayment({ amount: '1' }) },
  { name: 'the largest payment', when: aPayment({ amount: '99999999' }) },
  {
    name: "the provider's id, once known",
    given: [aPayment()],
    when: `update payments set provider_payment_id = 'pi_1'`,
  },
  { name: 'a payment from INITIATED to CAPTURED', when: paymentAt('CAPTURED') },
  {
    name: 'two changes in one transaction, recorded before they are made',
    when: [
      aPayment(),
      ...[0, 1].flatMap((last) => [
        ...change(1, 'INITIATED', 'AUTHORIZED', 'authorized = true').slice(1 - last, 2 - last),
        ...change(2, 'AUTHORIZED', 'CAPTURED', 'captured = 2500').slice(1 - last, 2 - last),
      ]),
    ],
  },
  {
    name: 'a capture after the payment had failed',
    given: paymentAt('FAILED'),
    when: change(3, 'FAILED', 'CAPTURED', 'captured = 2500'),
  },
  {
    name: 'a capture after the payment had expired',
    given: [
      aPayment(),
      ...change(1, 'INITIATED', 'EXPIRED', `closed_as = 'EXPIRED', closed_code = 'authorization_expired'`),
    ],
    when: change(2, 'EXPIRED', 'CAPTURED', 'captured = 2500'),
  },
  {
    name: 'an authorization that turns up after a failure',
    given: [
      aPayment(),
      ...change(1, 'INITIATED', 'FAILED', `closed_as = 'FAILED', closed_code = 'payment_declined'`),
    ],
    when: change(2, 'FAILED', 'FAILED', 'authorized = true'),
  },
  {
    name: 'a partial capture',
    given: paymentAt('AUTHORIZED'),
    when: change(2, 'AUTHORIZED', 'CAPTURED', 'captured = 1'),
  },
  {
    name: 'refunds in parts up to the whole capture',
    given: paymentAt('CAPTURED'),
    when: [
      ...refund('r1', 1000),
      ...refund('r2', 1500),
      ...refundSettled('r1', 'PARTIALLY_REFUNDED', 3, 1000),
      ...refundSettled('r2', 'REFUNDED', 4, 1500, 'PARTIALLY_REFUNDED'),
    ],
  },
  {
    name: 'a refund that failed before it succeeded',
    given: [...paymentAt('CAPTURED'), ...refund('r1', 500)],
    when: [`update refunds set status = 'failed'`, 'update payments set reserved = reserved - 500'],
  },
  {
    name: 'a full refund that succeeded and then failed',
    given: [...paymentAt('CAPTURED'), ...refund('r1', 2500), ...refundSettled('r1', 'REFUNDED', 3, 2500)],
    when: [...change(4, 'REFUNDED', 'CAPTURED', 'refunded = 0'), `update refunds set status = 'failed'`],
  },
  {
    name: 'one of two refunds that succeeded and then failed',
    given: [
      ...paymentAt('CAPTURED'),
      ...refund('r1', 1000),
      ...refund('r2', 1500),
      ...refundSettled('r1', 'PARTIALLY_REFUNDED', 3, 1000),
      ...refundSettled('r2', 'REFUNDED', 4, 1500, 'PARTIALLY_REFUNDED'),
    ],
    when: [
      `update refunds set status = 'failed' where requested_by = 'r2'`,
      ...change(5, 'REFUNDED', 'PARTIALLY_REFUNDED', 'refunded = 1000'),
    ],
  },
  {
    name: 'a new refund after one had failed',
    given: [
      ...paymentAt('CAPTURED'),
      ...refund('r1', 2500),
      ...refundSettled('r1', 'REFUNDED', 3, 2500),
      `update refunds set status = 'failed'`,
      ...change(4, 'REFUNDED', 'CAPTURED', 'refunded = 0'),
    ],
    when: refund('r2', 2500),
  },
  {
    name: 'a dispute opened and won, each a version without another fact',
    given: paymentAt('CAPTURED'),
    when: [
      dispute('opened'),
      ...change(3, 'CAPTURED', 'CAPTURED', ''),
      `update disputes set status = 'won'`,
      ...change(4, 'CAPTURED', 'CAPTURED', ''),
    ],
  },
  {
    name: 'a payment put up for review',
    given: paymentAt('CAPTURED'),
    when: `update payments set needs_review = 'amount differs'`,
  },
  {
    name: 'an operation tried twice and answered',
    given: [aPayment(), operation('capture', 1)],
    when: [
      `update payment_operations set attempts = attempts + 1, last_attempt_at = now(), last_reason = 'timeout'`,
      `update payment_operations set attempts = attempts + 1, last_attempt_at = now(), answer = '{"kind":"yes"}', answered_at = now()`,
    ],
  },
  {
    name: 'the next number of an operation',
    given: [aPayment(), operation('capture', 1)],
    when: operation('capture', 2),
  },
  {
    name: 'an event claimed, matched, delivered, delivered again and processed',
    given: [anEvent()],
    when: [
      `update webhook_events set attempts = attempts + 1, claimed_until = now() + interval '30 s'`,
      `update webhook_events set donation_id = '${PAYMENT}', delivered_at = now()`,
      'update webhook_events set delivered_at = null',
      `update webhook_events set delivered_at = now(), processed_at = now(), outcome = 'applied'`,
    ],
  },
  { name: 'an event of exactly 256 kB', when: anEvent(`repeat('x', 262144)`) },
  {
    name: 'a balanced posting of three accounts',
    given: [aPayment()],
    when: posting(['provider_balance', 2470], ['provider_fees', 30], ['campaign_payable', -2500]),
  },
  {
    name: 'a reset',
    given: [...paymentAt('CAPTURED'), ...refund('r1', 500), operation('capture', 1)],
    when: 'truncate payments, payment_operations, payment_transitions, refunds, disputes, webhook_events, ledger_entries, outbox_events, workflow_commands',
  },
  ...reversalMoves,
  ...reconciliationMoves,
  ...outboxMoves,
];

const refused = [
  ...refusedPayments,
  ...refusedRefunds,
  ...refusedRecords,
  ...reversalRefusals,
  ...reconciliationRefusals,
  ...outboxRefusals,
];

describe('the payments database refuses', () => {
  test.each(refused)('$name', async (move) => {
    expect(await tryMove(pool, move)).toEqual({ given: 'accepted', when: move.rule });
  });
});

describe('the payments database accepts', () => {
  test.each(accepted)('$name', async (move) => {
    expect(await tryMove(pool, move)).toEqual({ given: 'accepted', when: 'accepted' });
  });
});

test('every CHECK and trigger of the payments database is seen to refuse something', async () => {
  const seen = new Set(refused.map((move) => move.rule));
  // One trigger for the hot row, which names the rule that was broken.
  const guards = [
    'captured_never_falls',
    'authorized_never_undone',
    'closing_never_undone',
    'state_never_falls',
    'version_counts_changes',
  ];
  const rules = (await rulesOf(pool)).flatMap((rule) =>
    rule === 'payments_guard' ? guards.map((guard) => `payments_${guard}`) : [rule],
  );
  expect(rules.filter((rule) => !seen.has(rule))).toEqual([]);
});

test('a posting is checked when it is committed, not while it is written', async () => {
  const client = await pool.connect();
  try {
    await client.query('begin');
    await client.query(aPayment());
    for (const sql of posting(['provider_balance', 2500])) await client.query(sql);
    await expect(client.query('commit')).rejects.toMatchObject({
      constraint: 'ledger_entries_posting_balances',
    });
  } finally {
    client.release();
  }
  const { rows } = await pool.query('select from payments');
  expect(rows).toHaveLength(0);
});
