/** Requests made from the API description: right, nearly right and nonsense. No answer but those that it allows. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  conforms,
  operations,
  resolved,
  type Json,
  type Operation,
  type Parameter,
} from '../../harness/api-document.ts';
import { isolatedDatabases } from '../database/isolated-databases.ts';
import { bearer, newWorld, type World } from './access-world.ts';
import { json, problem, type Answer, type Call } from './http-client.ts';
import { tokenOf } from './test-keys.ts';
import { startWholeGateway, type WholeGateway } from './whole-gateway.ts';

/** The same requests in every run; fast-check says which one failed, made as small as it gets. */
const SEED = { seed: 20_260_101, numRuns: 25, verbose: 0 } as const;
const OPERATOR = { id: '00000000-0000-8000-8000-000000000001', role: 'operator' } as const;

const { urls } = isolatedDatabases(['donations', 'payments', 'campaigns', 'auth']);
let gateway: WholeGateway;
let world: World;
/** How often each status was answered. */
const seen = new Map<number, number>();
const unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);
beforeAll(async () => {
  process.on('unhandledRejection', note);
  gateway = await startWholeGateway(urls);
  world = await newWorld(gateway);
});
afterAll(async () => {
  process.off('unhandledRejection', note);
  await gateway[Symbol.asyncDispose]();
});

type Schema = { readonly [key: string]: Json };

/** What fits it, nearly: the property tests of each route know what is right to the letter. */
function fitting(schema: Schema): fc.Arbitrary<unknown> {
  if (typeof schema['$ref'] === 'string') return fitting(resolved<Schema>({ $ref: schema['$ref'] }));
  if ('const' in schema) return fc.constant(schema['const']);
  if (Array.isArray(schema['enum'])) return fc.constantFrom(...(schema['enum'] as Json[]));
  const options = (schema['anyOf'] ?? schema['oneOf']) as Schema[] | undefined;
  if (options !== undefined) return fc.oneof(...options.map(fitting));
  switch (schema['type'] as string | undefined) {
    case 'integer':
    case 'number':
      return numberIn(schema);
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.array(fitting(schema['items'] as Schema), { maxLength: 3 });
    case 'object':
      return objectOf(schema, fitting);
    case undefined:
    default:
      return stringOf(schema);
  }
}

function numberIn(schema: Schema): fc.Arbitrary<number> {
  const min = Number(schema['minimum'] ?? -1_000);
  const max = Number(schema['maximum'] ?? 1_000);
  return fc.oneof(
    fc.constantFrom(min, max),
    fc.integer({ min: Math.max(min, -(2 ** 31)), max: Math.min(max, 2 ** 31 - 1) }),
  );
}

function stringOf(schema: Schema): fc.Arbitrary<string> {
  if (schema['format'] === 'uuid')
    return fc.oneof(fc.uuid(), fc.constant(world.campaignId), fc.constant(world.guests.donation));
  if (schema['format'] === 'email') return fc.emailAddress();
  const [minLength, maxLength] = [Number(schema['minLength'] ?? 0), Number(schema['maxLength'] ?? 60)];
  const any = fc.string({ unit: 'grapheme', minLength, maxLength: Math.min(maxLength, minLength + 60) });
  const examples = (schema['examples'] ?? []) as string[];
  const known = ['pm_card_visa', 'a-slug', 'https://example.org/a.png', '2999-01-31T12:00:00Z', ...examples];
  return fc.oneof(any, fc.uuid(), fc.constantFrom(...known), fc.constant('x'.repeat(maxLength)));
}

/** Its fields, some left out where they may be. */
function objectOf(
  schema: Schema,
  valueOf: (schema: Schema) => fc.Arbitrary<unknown>,
): fc.Arbitrary<Record<string, unknown>> {
  const properties = (schema['properties'] ?? {}) as Readonly<Record<string, Schema>>;
  const fields = Object.fromEntries(Object.entries(properties).map(([name, of]) => [name, valueOf(of)]));
  return fc.record(fields, {
    requiredKeys: ((schema['required'] ?? []) as string[]).filter((name) => name in fields),
  });
}

const NONSENSE = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom<unknown>(
    '',
    ' ',
    '\u0000',
    '\uFEFF',
    '\u202E',
    "' OR 1=1 --",
    '../../etc/passwd',
    '%00',
    '1e400',
    '${7*7}',
    'a'.repeat(5_000),
    -1,
    0,
    1.5,
    1e21,
    2 ** 53,
    null,
    [],
    {},
  ),
);

/** One step beyond a limit of the schema, or of another type. */
function beside(schema: Schema): fc.Arbitrary<unknown> {
  const beyond: unknown[] = [];
  for (const [name, step] of [
    ['minimum', -1],
    ['maximum', 1],
  ] as const)
    if (typeof schema[name] === 'number') beyond.push(schema[name] + step, schema[name] + step / 2);
  if (typeof schema['maxLength'] === 'number')
    beyond.push('x'.repeat(schema['maxLength'] + 1), '\u{1F600}'.repeat(schema['maxLength']));
  if (typeof schema['minLength'] === 'number') beyond.push('x'.repeat(Math.max(0, schema['minLength'] - 1)));
  return beyond.length === 0 ? NONSENSE : fc.oneof(fc.constantFrom(...beyond), NONSENSE);
}

/** Mostly what fits, so that what does not meets code that trusts the rest. */
function nearly(schema: Schema): fc.Arbitrary<unknown> {
  if (schema['type'] === 'object')
    return fc.oneof({ weight: 9, arbitrary: objectOf(schema, nearly) }, { weight: 1, arbitrary: NONSENSE });
  return fc.oneof({ weight: 7, arbitrary: fitting(schema) }, { weight: 1, arbitrary: beside(schema) });
}

const asText = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined');
/** What a client can put into a header at all. */
const asHeader = (value: unknown): string =>
  asText(value)
    .replaceAll(/[^\t\x20-\x7E\x80-\xFF]/g, '?')
    .slice(0, 4_000)
    .trim();

type Parts = {
  readonly parameters: readonly (readonly [Parameter, unknown])[];
  readonly body: string | null;
};

function partsOf(operation: Operation): fc.Arbitrary<Parts> {
  const parameters = (operation.parameters ?? []).map((it) => resolved<Parameter>(it));
  const values = parameters.map((parameter) => {
    const value = nearly(parameter.schema).map((it) => [parameter, it] as const);
    return parameter.in === 'path' ? value : fc.option(value, { freq: 6 });
  });
  const schema = operation.requestBody?.content['application/json']?.schema;
  const body =
    schema === undefined
      ? fc.option(
          fc.jsonValue().map((it) => JSON.stringify(it)),
          { freq: 1 },
        )
      : bodyOf(operation, schema);
  return fc.record({
    parameters: fc.tuple(...values).map((all) => all.filter((it) => it !== null)),
    body,
  });
}

/** Its example with one field of another value, or as it is. */
function exampleOf({ requestBody }: Operation, schema: Schema): fc.Arbitrary<string> {
  const [first] = Object.values(requestBody?.content['application/json']?.examples ?? {});
  const example = { ...(first?.value as Record<string, unknown> | undefined) };
  if ('campaignId' in example) example['campaignId'] = world.campaignId;
  const properties = Object.entries((schema['properties'] ?? {}) as Readonly<Record<string, Schema>>);
  const changes = properties.map(([name, of]) => nearly(of).map((value) => ({ [name]: value })));
  return fc.oneof(fc.constant({}), ...changes).map((change) => JSON.stringify({ ...example, ...change }));
}

function bodyOf(operation: Operation, schema: Schema): fc.Arbitrary<string | null> {
  const near = nearly(schema).map((it) => asText(JSON.stringify(it)));
  const more = fc
    .tuple(objectOf(schema, fitting), fc.string(), fc.jsonValue())
    .map(([fields, name, value]) => JSON.stringify({ ...fields, [name]: value }));
  const cut = fc.tuple(near, fc.nat(400)).map(([text, length]) => text.slice(0, length));
  return fc.oneof(
    { weight: 4, arbitrary: near },
    { weight: 4, arbitrary: exampleOf(operation, schema) },
    { weight: 1, arbitrary: more },
    { weight: 1, arbitrary: cut },
    { weight: 1, arbitrary: fc.constant(null) },
  );
}

function callOf(name: string, { parameters, body }: Parts, headers: NonNullable<Call['headers']>): Call {
  const [method = '', template = ''] = name.split(' ');
  let path = template;
  const query: string[] = [];
  const more: [string, string][] = [];
  for (const [parameter, value] of parameters) {
    const text = asText(value).toWellFormed();
    if (parameter.in === 'path')
      path = path.replace(`{${parameter.name}}`, encodeURIComponent(text).slice(0, 6_000) || '%20');
    else if (parameter.in === 'query') query.push(`${parameter.name}=${encodeURIComponent(text)}`);
    else more.push([parameter.name, asHeader(value)]);
  }
  const type: [string, string][] = body === null ? [] : [['Content-Type', 'application/json']];
  return {
    method,
    path: query.length === 0 ? path : `${path}?${query.join('&')}`,
    headers: [...headers, ...type, ...more],
    ...(body === null ? {} : { body: body.toWellFormed() }),
  };
}

/** `send` of the gateway holds every answer against the description already. */
async function ask(call: Call): Promise<Answer> {
  const answer = await gateway.send(call);
  expect(answer.status, `${call.method ?? ''} ${call.path}: ${answer.text}`).toBeLessThan(500);
  if (answer.status >= 400 && call.method !== 'HEAD') problem(answer);
  return answer;
}

const all = [...operations].map(([name, operation]) => ({ name, operation }));

describe.each(all)('$name', ({ name, operation }) => {
  const needsToken =
    operation.security.length > 0 &&
    operation.security.every((it) => Object.keys(it).join() === 'accessToken');
  // A stream of a donation that nobody decides has no end.
  const isStream = operation.operationId === 'followDonation';

  test('answers as described whatever it is asked, and nobody known where an account is needed', async () => {
    await fc.assert(
      fc.asyncProperty(partsOf(operation), async (parts) => {
        const call = callOf(name, parts, isStream ? [] : [bearer(tokenOf(OPERATOR))]);
        const { status } = await ask(call);
        seen.set(status, (seen.get(status) ?? 0) + 1);
        if (needsToken) expect((await ask(callOf(name, parts, []))).status).toBe(401);
      }),
      SEED,
    );
  });

  test('has no other methods than the description', async () => {
    const [, template = ''] = name.split(' ');
    const path = template.replaceAll(/\{\w+\}/g, world.guests.donation);
    for (const method of ['GET', 'PUT', 'POST', 'PATCH', 'DELETE', 'QUERY']) {
      if (operations.has(`${method} ${template}`)) continue;
      const answer = await ask({ method, path, headers: [bearer(tokenOf(OPERATOR))] });
      expect([answer.status, answer.headers['allow'] !== undefined], method).toEqual([405, true]);
      conforms(method, path, answer);
    }
  });
});

test('afterwards the process works, nothing went unheard, and no donation is there without its key', async () => {
  expect(unhandled).toEqual([]);
  expect(json(await gateway.send({ path: '/readyz' }))).toEqual({ status: 'ready' });
  const { rows } = await gateway.pools.donations.query<{ all: number; sound: number }>(
    `SELECT count(*)::int AS all, count(*) FILTER (WHERE length(idempotency_key) >= 16 AND amount > 0)::int AS sound FROM donation_requests`,
  );
  expect(rows[0]?.sound).toBe(rows[0]?.all);
  // Both sides were tried: two donations are the world's own.
  expect(rows[0]?.all).toBeGreaterThan(3);
  for (const status of [200, 202, 400, 404, 422])
    expect(seen.get(status) ?? 0, `${status}`).toBeGreaterThan(1);
});
