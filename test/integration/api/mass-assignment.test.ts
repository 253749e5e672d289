/** Bodies that say more than they may: what only the platform decides, and what would alter every object of the process. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiDocument, operations, resolved, type Json, type Operation } from '../../harness/api-document.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { ACCESS, type Kind } from './access-table.ts';
import {
  bodyFieldsOf,
  callOf,
  newWorld,
  settledRows,
  thingsOf,
  type Caller,
  type World,
} from './access-world.ts';
import { problem, type Answer } from './http-client.ts';
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

/** The provider's events are its own: any field may come, and none is taken as said (docs/decisions/0005). */
const taking = [...operations]
  .map(([name, operation]) => ({ name, operation, id: operation.operationId }))
  .filter(({ operation, id }) => operation.requestBody !== undefined && id !== 'receiveStripeEvent');

type Schema = { readonly [key: string]: Json };
const isSchema = (value: Json | undefined): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Of the schema and of all that it refers to. */
function namesIn(node: Json, seen = new Set<Json>()): string[] {
  if (typeof node !== 'object' || node === null || seen.has(node)) return [];
  seen.add(node);
  if (Array.isArray(node)) return node.flatMap((part: Json) => namesIn(part, seen));
  const { $ref, properties } = node as Schema;
  return [
    ...(typeof $ref === 'string' ? namesIn(resolved<Schema>({ $ref }), seen) : []),
    ...(isSchema(properties) ? Object.keys(properties) : []),
    ...Object.values(node).flatMap((part) => namesIn(part, seen)),
  ];
}

const schemaOf = ({ requestBody }: Operation): Schema =>
  requestBody?.content['application/json']?.schema ?? {};
const fieldsOf = (schema: Schema): Schema => (isSchema(schema['properties']) ? schema['properties'] : {});

/** What any answer says that this request does not take, columns that no answer says, and names with powers. */
function foreignTo(operation: Operation): string[] {
  const taken = new Set(Object.keys(fieldsOf(schemaOf(operation))));
  const answered = namesIn((apiDocument.components['schemas'] ?? {}) as Schema);
  const said = Object.values(operation.responses).flatMap((response) =>
    Object.values(resolved(response).content ?? {}).flatMap(({ schema }) => namesIn(schema ?? {})),
  );
  const columns = [
    'scope',
    'ownerId',
    'owner_id',
    'createdBy',
    'captured',
    'password_hash',
    'donorId',
    'isAdmin',
    'deletedAt',
  ];
  const names = new Set([
    ...answered,
    ...said,
    ...columns,
    'constructor',
    'prototype',
    'toString',
    '__defineGetter__',
  ]);
  return [...names].filter((name) => !taken.has(name));
}

const POWERS: readonly (readonly [name: string, text: string])[] = [
  ['__proto__', '{"__proto__":{"polluted":true}}'],
  ['__proto__', '{"__proto__":null}'],
  ['__proto__', '{"\\u005f_proto__":{"polluted":true}}'],
  ['constructor', '{"constructor":{"prototype":{"polluted":true}}}'],
  ['prototype', '{"prototype":{"polluted":true}}'],
];

/** Both objects' members, as text: an object would lose `__proto__`. */
function joined(fields: Readonly<Record<string, unknown>>, text: string): string {
  const own = JSON.stringify(fields).slice(1, -1);
  return `{${own}${own === '' ? '' : ','}${text.slice(1)}`;
}

describe.each(taking)('$name', ({ name, operation, id }) => {
  /** As whoever may do it, with a body of which all else is right. */
  async function ready(): Promise<{
    fields: Record<string, unknown>;
    send: (body: string) => Promise<Answer>;
  }> {
    const rows = Object.entries(ACCESS[id] ?? {}) as [Kind, unknown][];
    const [thing] = await thingsOf(world, rows[0]?.[0] ?? 'nothing');
    const who = world.callers.find(({ role }) => role === 'operator');
    if (who === undefined || thing === undefined) throw new Error('nobody to ask about nothing');
    const anybody: Caller = id === 'donate' ? { ...who, headers: [] } : who;
    const fields = await bodyFieldsOf(world, operation, null);
    return {
      fields,
      send: async (body) => await gateway.send(await callOf(world, name, operation, thing, anybody, body)),
    };
  }

  function expectRefused(answer: Answer, pointer: string): void {
    const { status, code, errors = [] } = problem(answer);
    expect([status, code], `${pointer}: ${answer.text}`).toEqual([400, 'invalid_body']);
    expect(
      errors.map((error) => error.pointer),
      pointer,
    ).toContain(pointer);
  }

  test('takes no field that it does not describe, and writes nothing of the rest', async () => {
    const { fields, send } = await ready();
    const names = foreignTo(operation);
    expect(names.length).toBeGreaterThan(30);
    const before = await settledRows(gateway);
    const all = Object.fromEntries(names.map((field) => [field, true]));
    const answer = await send(JSON.stringify({ ...fields, ...all }));
    for (const field of names) expectRefused(answer, `/${field}`);
    for (const field of ['id', 'status', 'role', 'scope', 'ownerId', 'version', 'constructor'])
      if (names.includes(field))
        expectRefused(await send(JSON.stringify({ ...fields, [field]: 'operator' })), `/${field}`);
    expect(await settledRows(gateway)).toEqual(before);
  });

  test('is no way to the prototype of anything', async () => {
    const { fields, send } = await ready();
    const before = await settledRows(gateway);
    for (const [field, text] of POWERS) {
      expectRefused(await send(joined(fields, text)), `/${field}`);
      for (const [parent, schema] of Object.entries(fieldsOf(schemaOf(operation)))) {
        if (!isSchema(schema) || !isSchema(schema['properties'])) continue;
        const { [parent]: _own, ...others } = fields;
        expectRefused(await send(joined(others, `{"${parent}":${text}}`)), `/${parent}/${field}`);
      }
      const bare = problem(await send(`[${text}]`));
      expect([bare.status, bare.code]).toEqual([400, 'invalid_body']);
    }
    expect(await settledRows(gateway)).toEqual(before);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('polluted');
  });
});
