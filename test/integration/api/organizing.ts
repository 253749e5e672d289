/** People with accounts, and what they do with campaigns. */
import type { Pool } from 'pg';
import type { Authenticate } from '../../../api/http/authentication.ts';
import type { Role, User } from '../../../domain/actor.ts';
import type { Gateway } from './gateway.ts';
import { json, type Answer } from './http-client.ts';
import { authenticate as testKeys } from './test-keys.ts';

type Headers = readonly (readonly [name: string, value: string])[];
export type Person = { readonly user: User; readonly token: string };

function person(name: string, role: Role, digit: string): Person {
  const id = `${digit.repeat(8)}-0000-4000-8000-000000000000`;
  return { user: { kind: 'user', id, role }, token: `token-of-${name}` };
}

export const ADA = person('ada', 'organizer', 'a');
export const BOB = person('bob', 'organizer', 'b');
export const DORA = person('dora', 'donor', 'd');
export const OPERATOR = person('operator', 'operator', 'e');
/** Nobody known. */
export const ANYBODY = null;

export const authenticate: Authenticate = async (token) =>
  [ADA, BOB, DORA, OPERATOR].find((it) => it.token === token)?.user ?? (await testKeys(token));

function as(who: Person | null): Headers {
  return who === null ? [] : [['Authorization', `Bearer ${who.token}`]];
}

/** A request of somebody's; a body is sent as JSON. */
export function ask(
  gateway: Gateway,
  who: Person | null,
  call: string,
  body?: unknown,
  headers: Headers = [],
): Promise<Answer> {
  const [method = '', path = ''] = call.split(' ');
  if (body === undefined) return gateway.send({ method, path, headers: [...as(who), ...headers] });
  return gateway.send({
    method,
    path,
    headers: [...as(who), ...headers, ['Content-Type', 'application/json']],
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

export type CampaignAnswer = {
  readonly id: string;
  readonly slug: string;
  readonly title: string;
  readonly description: string;
  readonly story: string;
  readonly coverUrl: string | null;
  readonly currency: string;
  readonly goal: number | null;
  readonly deadline: string | null;
  readonly status: string;
  readonly version: number;
  readonly createdAt: string;
  readonly publishedAt: string | null;
  readonly closedAt: string | null;
};

export async function make(
  gateway: Gateway,
  who: Person,
  fields: Readonly<Record<string, unknown>> = {},
): Promise<CampaignAnswer> {
  const answer = await ask(gateway, who, 'POST /campaigns', { title: 'Wells', currency: 'USD', ...fields });
  if (answer.status !== 201) throw new Error(`no campaign: ${answer.text}`);
  return json(answer) as CampaignAnswer;
}

/** In so many milliseconds. */
export function inMs(ms: number): string {
  return new Date(Date.now() + ms).toISOString();
}

/** A deadline right after the campaign was made: as short as the database takes one, shorter than anybody can ask for. */
export async function letDeadlinePass(campaigns: Pool, id: string): Promise<void> {
  await campaigns.query(
    `UPDATE campaigns SET deadline = created_at + interval '1 microsecond', version = version + 1 WHERE id = $1`,
    [id],
  );
}

/** Versions and payloads of what others were told of it, in order. */
export async function told(campaigns: Pool, id: string): Promise<{ version: number; payload: unknown }[]> {
  const { rows } = await campaigns.query<{ version: number; payload: unknown }>(
    `SELECT version, payload FROM outbox_events WHERE aggregate_id = $1 AND type = 'campaign.changed.v1' ORDER BY version`,
    [id],
  );
  return rows;
}

export async function campaignCount(campaigns: Pool): Promise<number> {
  const { rows } = await campaigns.query<{ count: number }>('SELECT count(*) AS count FROM campaigns');
  return rows[0]?.count ?? 0;
}
