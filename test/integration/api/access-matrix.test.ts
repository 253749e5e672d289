/** Every operation of the API description, asked by everybody about everything: who may do what is access-table.ts. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FAILURES } from '../../../domain/failures.ts';
import { ROLES } from '../../../domain/actor.ts';
import { operations } from '../../harness/api-document.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { ACCESS, type Kind, type Policy, type Relation, type Who } from './access-table.ts';
import {
  bearer,
  callOf,
  newWorld,
  settledRows,
  thingsOf,
  type Caller,
  type Thing,
  type World,
} from './access-world.ts';
import { json, problem, type Answer } from './http-client.ts';
import { startWholeGateway, type WholeGateway } from './whole-gateway.ts';

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns', 'auth']);
let gateway: WholeGateway;
let world: World;
beforeAll(async () => {
  gateway = await startWholeGateway(urls);
  world = await newWorld(gateway);
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
});

const all = [...operations].map(([name, operation]) => ({ name, operation, id: operation.operationId }));
const rowOf = (operationId: string): [Kind, Policy][] =>
  Object.entries(ACCESS[operationId] ?? {}) as [Kind, Policy][];

const relationOf = ({ name }: Caller, { owner, relation }: Thing): Relation =>
  relation ?? (owner === name ? 'own' : 'foreign');

/** Without what differs from any request to the next. */
function comparable({ status, headers, text }: Answer): object {
  const kept = Object.entries(headers).filter(([name]) => !/^(?:date|ratelimit-)/.test(name));
  const body: unknown = text.startsWith('{') ? { ...(JSON.parse(text) as object), traceId: null } : text;
  return { status, headers: Object.fromEntries(kept), body };
}

test('every operation that is described has its row in the table, and every row its operation', () => {
  expect(Object.keys(ACCESS).toSorted()).toEqual(all.map(({ id }) => id).toSorted());
});

test('the description says of each operation whom the table lets do it', () => {
  const RELATIONS: readonly Relation[] = ['own', 'foreign', 'unknown', 'malformed', 'none'];
  for (const { id, operation } of all) {
    const answers = (who: Who) =>
      rowOf(id).flatMap(([, policy]) => RELATIONS.map((relation) => policy(who, relation)));
    const schemes = operation.security.flatMap((scheme) => Object.keys(scheme));
    const isOpen =
      operation.security.length === 0 || operation.security.some((it) => Object.keys(it).length === 0);
    const stranger = answers({ role: null, shows: 'nothing' });
    const needsAccessToken = !isOpen && schemes.join() === 'accessToken';
    expect(
      stranger.every((code) => code === 'unauthorized'),
      id,
    ).toBe(needsAccessToken);
    const named = operation.security.flatMap((scheme) => scheme['accessToken'] ?? []);
    if (needsAccessToken) {
      const letIn = ROLES.filter((role) =>
        answers({ role, shows: 'access token' }).some((code) => code !== 'forbidden'),
      );
      expect(letIn.toSorted(), id).toEqual((named.length === 0 ? [...ROLES] : [...named]).toSorted());
    }
  }
});

describe.each(all)('$name', ({ name, operation, id }) => {
  const ask = async (caller: Caller, thing: Thing): Promise<Answer> =>
    await gateway.send(await callOf(world, name, operation, thing, caller));

  test('is done for whom the table says, and refused to all others without a trace', async () => {
    const cases = [];
    for (const [kind, policy] of rowOf(id)) {
      const things = await thingsOf(world, kind);
      for (const thing of things)
        for (const caller of world.callers) {
          const relation = relationOf(caller, thing);
          const what = `${caller.name}, ${relation} ${kind} (${thing.owner ?? 'nobody'})`;
          cases.push({ kind, caller, thing, what, code: policy(caller, relation) });
        }
    }
    const before = await settledRows(gateway);
    const refusals = new Map<string, Answer>();
    for (const { kind, caller, thing, what, code } of cases) {
      if (code === null) continue;
      const answer = await ask(caller, thing);
      expect([answer.status, problem(answer).code], what).toEqual([FAILURES[code].status, code]);
      // Nobody learns from the refusal whether there is something.
      const twin = `${kind} ${caller.name} ${code}`;
      const other = refusals.get(twin);
      if (other !== undefined && code.endsWith('not_found'))
        expect(comparable(answer), what).toEqual(comparable(other));
      refusals.set(twin, answer);
    }
    expect(await settledRows(gateway)).toEqual(before);
    let done = 0;
    for (const { caller, thing, what, code } of cases) {
      if (code !== null) continue;
      const { status, text } = await ask(caller, thing);
      expect(status, `${what}: ${text}`).toBeLessThan(300);
      done += 1;
    }
    expect(done).toBeGreaterThan(0);
  });
});

describe('an access token', () => {
  const needing = all.filter(({ id }) =>
    rowOf(id).every(([, policy]) => policy({ role: null, shows: 'nothing' }, 'own') === 'unauthorized'),
  );
  const operator = (): Caller => {
    const found = world.callers.find(({ role }) => role === 'operator');
    if (found === undefined) throw new Error('nobody is an operator');
    return found;
  };
  const token = (): string => operator().person?.accessToken ?? '';

  test.each<[how: string, change: (token: string) => { headers: [string, string][]; query?: string }]>([
    ['left out', () => ({ headers: [] })],
    ['that is empty', () => ({ headers: [['Authorization', '']] })],
    ['without its scheme', (it) => ({ headers: [['Authorization', it]] })],
    ['of another scheme', (it) => ({ headers: [['Authorization', `Basic ${it}`]] })],
    ['twice', (it) => ({ headers: [[...bearer(it)], [...bearer(it)]] })],
    ['beside another', (it) => ({ headers: [['Authorization', `Bearer x, Bearer ${it}`]] })],
    ['in the address', (it) => ({ headers: [], query: `access_token=${it}&token=${it}` })],
    ['in a cookie', (it) => ({ headers: [['Cookie', `access_token=${it}; Authorization=Bearer ${it}`]] })],
    [
      'in another header',
      (it) => ({
        headers: [
          ['X-Authorization', `Bearer ${it}`],
          ['Proxy-Authorization', `Bearer ${it}`],
        ],
      }),
    ],
    [
      'that a proxy vouches for',
      () => ({
        headers: [
          ['X-User', 'operator'],
          ['X-Forwarded-User', 'operator'],
          ['Remote-User', 'operator'],
        ],
      }),
    ],
  ])('%s is none, wherever one is needed', async (_how, change) => {
    const before = await settledRows(gateway);
    for (const { name, operation, id } of needing) {
      const { headers, query } = change(token());
      const [kind = 'nothing'] = rowOf(id).map(([it]) => it);
      const thing = { params: [world.guests.donation, world.guests.donation] };
      const call = await callOf(world, name, operation, thing, { person: null, headers });
      const path = query === undefined ? call.path : `${call.path.replace(/\?.*/, '')}?${query}`;
      const answer = await gateway.send({ ...call, path });
      expect([answer.status, problem(answer).code], `${name} ${kind}`).toEqual([401, 'unauthorized']);
      expect(answer.headers['www-authenticate'], name).toMatch(/^Bearer/);
    }
    expect(await settledRows(gateway)).toEqual(before);
    expect(needing.length).toBeGreaterThan(10);
  });

  test('counts in any spelling of its scheme and header', async () => {
    for (const header of [
      ['authorization', 'bearer'],
      ['AUTHORIZATION', 'BEARER'],
      ['Authorization', 'Bearer  '],
    ]) {
      const [headerName = '', scheme = ''] = header;
      const answer = await gateway.send({
        path: '/auth/me',
        headers: [[headerName, `${scheme} ${token()}`]],
      });
      expect((json(answer) as { role: string }).role).toBe('operator');
    }
  });
});
