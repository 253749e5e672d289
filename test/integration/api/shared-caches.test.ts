/** Two people behind one cache: whatever one of them was answered, and whatever they claim to know already, is never the other's. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { operations } from '../../harness/api-document.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { ACCESS, type Kind, type Policy, type Relation } from './access-table.ts';
import { callOf, newWorld, thingsOf, type Caller, type World } from './access-world.ts';
import type { Answer } from './http-client.ts';
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

const reads = [...operations]
  .filter(([name]) => name.startsWith('GET '))
  .map(([name, operation]) => ({
    name,
    operation,
    rows: Object.entries(ACCESS[operation.operationId] ?? {}) as [Kind, Policy][],
  }));

/** Whether a cache that knows no more than its RFC (9111) may give this answer to a request with other credentials. */
function mayBeShared({ headers }: Answer): boolean {
  const caching = headers['cache-control'] ?? '';
  if (/no-store|private/.test(caching)) return false;
  const varies = (headers['vary'] ?? '').toLowerCase().split(/, */);
  return !varies.includes('authorization') && !varies.includes('*');
}

const isOpenToAll = (rows: readonly (readonly [Kind, Policy])[]): boolean =>
  rows.every(([, policy]) =>
    (['own', 'foreign', 'unknown', 'none'] as Relation[]).every(
      (relation) =>
        policy({ role: null, shows: 'expired token' }, relation) ===
        policy({ role: 'operator', shows: 'access token' }, relation),
    ),
  );

describe.each(reads)('$name', ({ name, operation, rows }) => {
  test('gives nobody what is another’s, with no ETag of theirs either, and tells caches so', async () => {
    for (const [kind, policy] of rows) {
      for (const thing of await thingsOf(world, kind)) {
        const ask = async (caller: Caller, etag?: string): Promise<Answer> => {
          const call = await callOf(world, name, operation, thing, caller);
          const condition = etag === undefined ? [] : [['If-None-Match', etag] as const];
          return await gateway.send({ ...call, headers: [...(call.headers ?? []), ...condition] });
        };
        const relationOf = (caller: Caller): Relation =>
          thing.relation ?? (thing.owner === caller.name ? 'own' : 'foreign');
        const first = new Map<Caller, Answer>();
        for (const caller of world.callers) {
          const answer = await ask(caller);
          first.set(caller, answer);
          // What depends on who asks is for no shared cache, refusals included.
          if (!isOpenToAll(rows)) expect(mayBeShared(answer), `${caller.name} ${kind}`).toBe(false);
        }
        const etags = [...new Set([...first.values()].map(({ headers }) => headers['etag'] ?? '*'))];
        for (const [caller, answer] of first) {
          for (const etag of etags) {
            const again = await ask(caller, etag);
            // 304 confirms that there is something: only to whom it would be shown.
            if (again.status === 304) {
              expect([answer.status, policy(caller, relationOf(caller))], caller.name).toEqual([200, null]);
              expect(etag === '*' || etag === answer.headers['etag'], `${caller.name} ${etag}`).toBe(true);
              expect(again.text).toBe('');
            } else expect(again.status, `${caller.name} ${etag}`).toBe(answer.status);
          }
        }
      }
    }
  });
});

test('one’s own donations and account are one’s own, in turns with another and with nobody', async () => {
  const donors = world.callers.filter(({ name }) => name.endsWith(' donor'));
  const things = await thingsOf(world, 'donation');
  for (let turn = 0; turn < 3; turn += 1) {
    for (const donor of donors) {
      const mine = things.filter(({ owner }) => owner === donor.name).map(({ params }) => params[0]);
      const others = things.map(({ params }) => params[0]).filter((id) => !mine.includes(id));
      const list = await gateway.send({ path: '/me/donations', headers: donor.headers });
      for (const id of mine) expect(list.text).toContain(id);
      for (const id of others) expect(list.text).not.toContain(id);
      const account = await gateway.send({ path: '/auth/me', headers: donor.headers });
      expect(account.text).toContain(donor.person?.email);
      for (const path of ['/me/donations', '/auth/me'])
        expect((await gateway.send({ path })).status).toBe(401);
    }
  }
});
