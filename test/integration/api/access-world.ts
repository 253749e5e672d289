/** People, what is theirs, and how each operation of the API description is asked for. */
import { createHmac, randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { resolved, type Operation, type Parameter } from '../../harness/api-document.ts';
import type { Kind, Relation, Who } from './access-table.ts';
import { newPerson, type Person } from './auth-gateway.ts';
import { donate, donation, donationBody, newKey, WEBHOOK_SECRET } from './gateway.ts';
import { json, type Call } from './http-client.ts';
import { accepted, newPayment, refund } from './refunding.ts';
import { expiredTokenOf, tokenOf } from './test-keys.ts';
import { everyRow, type WholeGateway } from './whole-gateway.ts';

type Header = readonly [name: string, value: string];
export type Caller = Who & {
  readonly name: string;
  readonly person: Person | null;
  readonly headers: readonly Header[];
};
export type Thing = {
  /** Of a caller; null for what is not there, or is everybody's. */
  readonly owner: string | null;
  readonly relation?: Relation;
  readonly params: readonly string[];
  readonly headers?: readonly Header[];
};
export type World = {
  readonly gateway: WholeGateway;
  readonly callers: readonly Caller[];
  /** Open, and the platform's own. */
  readonly campaignId: string;
  readonly guests: { readonly donation: string; readonly ended: string };
};

export const bearer = (token: string): Header => ['Authorization', `Bearer ${token}`];

const JSON_TYPE: Header = ['Content-Type', 'application/json'];

export async function newWorld(gateway: WholeGateway): Promise<World> {
  const operator = await newPerson(gateway, 'operator');
  const campaignId = await newCampaignOf(gateway, operator, 'open');
  const caller = async (name: string, role: 'donor' | 'organizer'): Promise<Caller> => {
    const person = await newPerson(gateway, role);
    return { name, role, shows: 'access token', person, headers: [bearer(person.accessToken)] };
  };
  const donated = donation(await donate(gateway, newKey(), donationBody(campaignId)));
  const ended = donation(await donate(gateway, newKey(), donationBody(campaignId)));
  await end(gateway, ended.id);
  const nobody = { role: null, person: null };
  const callers: Caller[] = [
    await caller('a donor', 'donor'),
    await caller('another donor', 'donor'),
    await caller('an organizer', 'organizer'),
    await caller('another organizer', 'organizer'),
    {
      name: 'an operator',
      role: 'operator',
      shows: 'access token',
      person: operator,
      headers: [bearer(operator.accessToken)],
    },
    { ...nobody, name: 'nobody known', shows: 'nothing', headers: [] },
    { ...nobody, name: 'a guest', shows: 'donor token', headers: [bearer(donated.donorToken)] },
    { ...nobody, name: 'another guest', shows: 'donor token', headers: [bearer(ended.donorToken)] },
    {
      ...nobody,
      name: 'an operator whose token has expired',
      shows: 'expired token',
      headers: [bearer(expiredTokenOf(operator.user))],
    },
  ];
  await reconcile(gateway);
  return { gateway, callers, campaignId, guests: { donation: donated.id, ended: ended.id } };
}

const DONORS = ['a donor', 'another donor'];
const ORGANIZERS = ['an organizer', 'another organizer'];

/** New ones, and addresses that name nothing. */
export async function thingsOf(world: World, kind: Kind): Promise<Thing[]> {
  const { gateway, callers, guests, campaignId } = world;
  const absent = (...rest: string[]): Thing[] => [
    { owner: null, relation: 'unknown', params: [randomUUID(), ...rest] },
    { owner: null, relation: 'malformed', params: ["0'--", ...rest] },
  ];
  const of = async (names: readonly string[], make: (person: Person) => Promise<string[]>) => {
    const things: Thing[] = [];
    for (const name of names) {
      const person = callers.find((it) => it.name === name)?.person;
      if (person === null || person === undefined) throw new Error(`${name} has no account`);
      things.push({ owner: name, params: await make(person) });
    }
    return things;
  };
  const give = async (person: Person): Promise<string> =>
    donation(await donate(gateway, newKey(), donationBody(campaignId), [bearer(person.accessToken)])).id;
  const paid = async (person: Person): Promise<string> =>
    await newPayment(gateway.pools.payments, { campaignId: await newCampaignOf(gateway, person, 'open') });
  const here = (relation: Relation, ...params: string[]): Thing => ({ owner: null, relation, params });
  switch (kind) {
    case 'nothing':
      return [here('none')];
    case 'donation':
      return [
        ...(await of(DONORS, async (person) => [await give(person)])),
        { owner: 'a guest', params: [guests.donation] },
        ...absent(),
      ];
    case 'ended donation': {
      const things = await of(DONORS, async (person) => [await give(person)]);
      for (const { params } of things) await end(gateway, params[0] ?? '');
      return [...things, { owner: 'another guest', params: [guests.ended] }, ...absent()];
    }
    case 'paid donation':
      return [...(await of(ORGANIZERS, async (person) => [await paid(person)])), ...absent()];
    case 'refund': {
      const things = await of(ORGANIZERS, async (person) => {
        const id = await paid(person);
        const asked = await refund(gateway, id, newKey(), { amount: 1, currency: 'USD' }, [
          bearer(person.accessToken),
        ]);
        return [id, accepted(asked).id];
      });
      const [id = '', refundId = ''] = things[0]?.params ?? [];
      // A refund is found with its own donation alone.
      const elsewhere = here('unknown', things[1]?.params[0] ?? '', refundId);
      return [...things, ...absent(refundId), here('unknown', id, randomUUID()), elsewhere];
    }
    case 'campaign':
    case 'draft': {
      const status = kind === 'draft' ? 'draft' : 'open';
      return [
        ...(await of(ORGANIZERS, async (person) => [await newCampaignOf(gateway, person, status)])),
        ...absent(),
      ];
    }
    case 'account':
      return [...(await of(DONORS, ({ user }) => Promise.resolve([user.id]))), ...absent()];
    case 'signature':
      return [
        { ...here('own'), headers: [signature(WEBHOOK_SECRET)] },
        { ...here('foreign'), headers: [signature('whsec_of_somebody_else')] },
        here('unknown'),
      ];
    case 'docs file':
      return [
        here('own', 'start.js'),
        here('unknown', 'package.json'),
        here('malformed', '..%2Fpackage.json'),
      ];
    case 'problem':
      return [here('own', 'not_found'), here('unknown', 'no_such'), here('malformed', '__proto__')];
    default:
      return kind satisfies never;
  }
}

const EVENT = JSON.stringify({
  id: `evt_${randomUUID()}`,
  object: 'event',
  type: 'customer.created',
  created: Math.floor(Date.now() / 1_000),
  livemode: false,
  data: { object: { object: 'customer', id: 'cus_1' } },
});

function signature(secret: string): Header {
  const at = Math.floor(Date.now() / 1_000);
  return [
    'Stripe-Signature',
    `t=${at},v1=${createHmac('sha256', secret).update(`${at}.${EVENT}`).digest('hex')}`,
  ];
}

/** The request as the description has it: its example, made to fit this world. `headers` say who asks. */
export async function callOf(
  world: World,
  name: string,
  operation: Operation,
  { params, headers = [] }: Pick<Thing, 'params' | 'headers'>,
  who: Pick<Caller, 'person' | 'headers'>,
  ownBody?: string,
): Promise<Call> {
  const [method = '', template = ''] = name.split(' ');
  const left = [...params];
  const path = template.replaceAll(/\{\w+\}/g, () => left.shift() ?? '');
  const needsKey = (operation.parameters ?? []).some(
    (it) => resolved<Parameter>(it).name === 'Idempotency-Key',
  );
  const body = ownBody ?? (await bodyOf(world, operation, who.person));
  return {
    method,
    path: operation.operationId === 'findUsers' ? `${path}?email=ada%40example.org` : path,
    headers: [
      ...who.headers,
      ...headers,
      // No login limit of one call counts for another.
      ['X-From', randomUUID()],
      ...(needsKey ? [['Idempotency-Key', newKey()] as const] : []),
      ...(body === undefined ? [] : [JSON_TYPE]),
    ],
    ...(body === undefined ? {} : { body }),
  };
}

async function bodyOf(
  world: World,
  operation: Operation,
  person: Person | null,
): Promise<string | undefined> {
  if (operation.requestBody === undefined) return undefined;
  if (operation.operationId === 'receiveStripeEvent') return EVENT;
  return JSON.stringify(await bodyFieldsOf(world, operation, person));
}

/** What would be done, asked by this person. */
export async function bodyFieldsOf(
  { gateway, campaignId }: World,
  { operationId, requestBody }: Operation,
  person: Person | null,
): Promise<Record<string, unknown>> {
  const [example] = Object.values(requestBody?.content['application/json']?.examples ?? {});
  const fields = { ...(example?.value as Record<string, unknown> | undefined) };
  const password = `pass ${randomUUID()}`;
  switch (operationId) {
    case 'donate':
      return { ...fields, campaignId };
    case 'createCampaign':
      return { title: 'Clean water', currency: 'USD', goal: 5_000 };
    case 'refundDonation':
      return { ...fields, amount: 1 };
    case 'register':
      return { ...fields, email: `${randomUUID()}@example.org` };
    case 'login': {
      const { email, password: chosen } = await newPerson(gateway);
      return { email, password: chosen };
    }
    case 'refresh':
    case 'logout':
      return { refreshToken: (await newPerson(gateway)).refreshToken };
    case 'changePassword': {
      const passwords = { currentPassword: person?.password ?? password, newPassword: password };
      if (person !== null) Object.assign(person, { password });
      return passwords;
    }
    case 'setRole':
      return { role: 'donor' };
    default:
      return fields;
  }
}

/** Some rows are written after the answer: all of them, once none is added any more. */
export async function settledRows(gateway: WholeGateway): Promise<Readonly<Record<string, string>>> {
  for (let last = await everyRow(gateway); ;) {
    await pause(20);
    const next = await everyRow(gateway);
    if (JSON.stringify(next) === JSON.stringify(last)) return next;
    last = next;
  }
}

async function newCampaignOf(
  gateway: WholeGateway,
  person: Person,
  status: 'open' | 'draft',
): Promise<string> {
  const fields = { title: 'Wells', currency: 'USD', status };
  const answer = await gateway.call('POST', '/campaigns', fields, tokenOf(person.user));
  if (answer.status !== 201) throw new Error(`no campaign: ${answer.text}`);
  return (json(answer) as { id: string }).id;
}

/** As the donations activities write it once a cancel has won. */
async function end(gateway: WholeGateway, id: string): Promise<void> {
  await gateway.pools.donations.query(
    `INSERT INTO pledges (id, campaign_id, amount, currency, status, version, idempotency_key, failure_code)
     SELECT id, campaign_id, amount, currency, 'FAILED', 1, idempotency_key, 'cancelled_by_donor'
     FROM donation_requests WHERE id = $1`,
    [id],
  );
}

async function reconcile(gateway: WholeGateway): Promise<void> {
  await gateway.pools.payments.query(
    `INSERT INTO reconciliation_runs (id, kind, lane, dry_run, window_from, finished_at, status, counts)
     VALUES ($1, 'full', 'books', false, now() - interval '1 day', now(), 'finished', '{}')`,
    [randomUUID()],
  );
}
