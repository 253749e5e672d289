/** The operator's and the donor's later wishes, over HTTP: refunds, cancels, what a donor has to act with. */
import { randomUUID } from 'node:crypto';
import type { Effect } from '../../provider/simulator/records.ts';
import type { Stack } from '../harness/stack.ts';
import type { DonationBody, Given } from './giving.ts';

export type RefundBody = {
  readonly id: string;
  readonly donationId: string;
  readonly amount: number;
  readonly currency: string;
  readonly status: string;
  readonly requestedBy: string;
  readonly failure?: { readonly code: string };
};

/** What an answer has beside its status: a refund, a donation or a problem. */
export type Said<Body> = { readonly status: number; readonly body: Body & { readonly code?: string } };

const ANSWER_LIMIT_MS = 15_000;

type Init = {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
};

async function call<Body>(url: string, token: string, init: Init = {}): Promise<Said<Body>> {
  const answer = await fetch(url, {
    ...init,
    headers: { authorization: `Bearer ${token}`, ...init.headers },
    signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
  });
  return { status: answer.status, body: (await answer.json()) as Said<Body>['body'] };
}

/** All that is left, unless an amount is given. */
export async function askRefund(
  stack: Stack,
  { id, currency = 'USD' }: Given,
  { amount, key = randomUUID(), apiUrl = stack.apiUrl }: RefundWish = {},
): Promise<Said<RefundBody>> {
  return await call(`${apiUrl}/donations/${id}/refunds`, stack.operatorToken, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify(amount === undefined ? {} : { amount, currency }),
  });
}

export type RefundWish = { readonly amount?: number; readonly key?: string; readonly apiUrl?: string };

export async function listRefunds(stack: Stack, { id }: Given): Promise<RefundBody[]> {
  const { status, body } = await call<{ data: RefundBody[] }>(
    `${stack.apiUrl}/donations/${id}/refunds`,
    stack.operatorToken,
  );
  if (status !== 200) throw new Error(`refunds of ${id}: ${status}`);
  return body.data;
}

export async function askCancel(
  { id, donorToken }: Given,
  apiUrl: string,
  token = donorToken,
): Promise<Said<DonationBody>> {
  return await call(`${apiUrl}/donations/${id}/cancel`, token, { method: 'POST' });
}

export async function readAs(
  { id }: Given,
  apiUrl: string,
  token: string,
): Promise<Said<DonationBody & { readonly clientSecret?: string }>> {
  return await call(`${apiUrl}/donations/${id}`, token);
}

/** What happened to a donation's money at the provider, oldest first. */
export async function effectsOf(stack: Stack, { id }: Pick<Given, 'id'>): Promise<Effect[]> {
  return (await stack.simulator.ledger()).filter(({ donationId }) => donationId === id);
}

export async function stepsOf(stack: Stack, given: Pick<Given, 'id'>): Promise<string[]> {
  return (await effectsOf(stack, given)).map(({ type, amountMinor }) => `${type} ${amountMinor}`);
}
