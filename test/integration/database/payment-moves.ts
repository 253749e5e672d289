// The moves of one payment of 25.00 USD, as SQL.

export const PAYMENT = '00000000-0000-8000-8000-000000000001';

export function aPayment(changes: Readonly<Record<string, string>> = {}): string {
  const columns = {
    id: `'${PAYMENT}'`,
    donation_id: `'${PAYMENT}'`,
    campaign_id: `'00000000-0000-8000-8000-0000000000c1'`,
    provider: `'stripe'`,
    payment_method: `'pm_card_visa'`,
    amount: '2500',
    currency: `'USD'`,
    ...changes,
  };
  return `insert into payments (${Object.keys(columns).join(', ')}) values (${Object.values(columns).join(', ')})`;
}

/** The update of a change alone. */
export function fact(version: number, state: string, set: string): string {
  return `update payments set version = ${version}, state = '${state}'${set === '' ? '' : `, ${set}`}`;
}

/** A change as the code makes it: the update and its transition. */
export function change(version: number, from: string, to: string, set: string): string[] {
  return [
    fact(version, to, set),
    `insert into payment_transitions (payment_id, version, from_state, to_state, change, entries, cause)
     values ('${PAYMENT}', ${version}, '${from}', '${to}', '{}', '[]', 'operation:capture:1')`,
  ];
}

/** A payment that went the usual way to this state: version 1 or 2. */
export function paymentAt(state: 'AUTHORIZED' | 'CAPTURED' | 'FAILED'): string[] {
  const authorized = [aPayment(), ...change(1, 'INITIATED', 'AUTHORIZED', 'authorized = true')];
  if (state === 'CAPTURED') return [...authorized, ...change(2, 'AUTHORIZED', 'CAPTURED', 'captured = 2500')];
  if (state === 'FAILED') {
    return [
      ...authorized,
      ...change(2, 'AUTHORIZED', 'FAILED', `closed_as = 'FAILED', closed_code = 'cancelled_by_donor'`),
    ];
  }
  return authorized;
}

/** A row of refunds alone; `by` tells the refunds of a test apart. */
export function aRefund(by: string, amount: number, status = 'pending'): string {
  return `insert into refunds (id, payment_id, amount, status, requested_by)
          values (gen_random_uuid(), '${PAYMENT}', ${amount}, '${status}', '${by}')`;
}

/** A refund as it is requested: reserved on the payment, pending. */
export function refund(by: string, amount: number): string[] {
  return [`update payments set reserved = reserved + ${amount}`, aRefund(by, amount)];
}

/** A pending refund that the provider has paid out. */
export function refundSettled(
  by: string,
  to: string,
  version: number,
  amount: number,
  from = 'CAPTURED',
): string[] {
  return [
    `update refunds set status = 'succeeded' where requested_by = '${by}'`,
    ...change(version, from, to, `reserved = reserved - ${amount}, refunded = refunded + ${amount}`),
  ];
}

export function dispute(status: string, amount = 2500): string {
  return `insert into disputes (id, payment_id, provider_dispute_id, amount, status)
          values (gen_random_uuid(), '${PAYMENT}', 'dp_1', ${amount}, '${status}')`;
}

export function operation(name: string, n: number, key = `${PAYMENT}:${name}:${n}`): string {
  return `insert into payment_operations (payment_id, operation, n, provider_key) values ('${PAYMENT}', '${name}', ${n}, '${key}')`;
}

export function anEvent(payload = `'{"id":"evt_1"}'`): string {
  return `insert into webhook_events (event_id, type, object_id, livemode, payload)
          values ('evt_1', 'payment_intent.succeeded', 'pi_1', false, ${payload})`;
}

/** Entries of the posting `capture:1`. */
export function posting(...entries: readonly (readonly [account: string, amount: number])[]): string[] {
  return entries.map(
    ([account, amount]) =>
      `insert into ledger_entries (posting_id, payment_id, account, amount, currency)
       values ('capture:1', '${PAYMENT}', '${account}', ${amount}, 'USD')`,
  );
}

/** A payment with a balanced posting. */
export function aPosting(): string[] {
  return [aPayment(), ...posting(['provider_balance', 2500], ['campaign_payable', -2500])];
}
