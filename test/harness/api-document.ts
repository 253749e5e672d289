/** The committed API description, and whether an answer is one that it allows. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { ROOT } from '../../launch/paths.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type Schema = { readonly [key: string]: Json };
export type MediaType = {
  readonly schema?: Schema;
  readonly example?: Json;
  readonly examples?: Readonly<Record<string, { readonly value?: Json; readonly $ref?: string }>>;
  readonly 'x-event-schema'?: Schema;
};
export type Described = {
  readonly description?: string;
  readonly headers?: Readonly<Record<string, { readonly $ref?: string; readonly schema?: Schema }>>;
  readonly content?: Readonly<Record<string, MediaType>>;
  readonly $ref?: string;
};
export type Parameter = {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly schema: Schema;
  readonly examples?: Readonly<Record<string, { readonly value: Json }>>;
};
export type Operation = {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly string[];
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly (Parameter | { readonly $ref: string })[];
  readonly requestBody?: {
    readonly required: boolean;
    readonly content: Readonly<Record<string, MediaType>>;
  };
  readonly responses: Readonly<Record<string, Described>>;
};
export type ApiDocument = {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: Readonly<Record<string, Readonly<Record<string, object>>>>;
  readonly 'x-problems': Readonly<Record<string, object>>;
};

export const DOCUMENT_FILE = join(ROOT, 'docs', 'api', 'openapi.json');
export const apiDocument = JSON.parse(readFileSync(DOCUMENT_FILE, 'utf8')) as ApiDocument;

/** Follows a `$ref` into the components. */
export function resolved<T extends object>(value: T | { readonly $ref: string }): T {
  if (!('$ref' in value) || typeof value.$ref !== 'string') return value as T;
  let node: unknown = apiDocument;
  for (const part of value.$ref.replace(/^#\//, '').split('/'))
    node = (node as Record<string, unknown>)[part];
  return resolved(node as T);
}

/** Every operation, as `GET /campaigns/{id}`. */
export const operations: ReadonlyMap<string, Operation> = new Map(
  Object.entries(apiDocument.paths).flatMap(([path, item]) =>
    Object.entries(item).map(
      ([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const,
    ),
  ),
);

const ajv = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true });
formats.default(ajv);
ajv.addVocabulary(['components', 'example']);
ajv.addSchema({ $id: 'api', components: { schemas: closed(apiDocument.components['schemas'] as Schema) } });
const compiled = new WeakMap<object, ValidateFunction>();

/** What is wrong with the value; empty when it fits. A field that the schema does not name is wrong in an answer. */
export function misfits(schema: Schema, value: unknown): string[] {
  const validate = compiled.get(schema) ?? ajv.compile(closed(schema) as Schema);
  compiled.set(schema, validate);
  validate(value);
  return (validate.errors ?? []).map(({ instancePath, message, params }) =>
    `${instancePath} ${message ?? ''} ${JSON.stringify(params)}`.trim(),
  );
}

/** Readers must take unknown fields; we must not send any. A part of `allOf` names only what it adds. */
function closed(node: Json, key = ''): Json {
  if (Array.isArray(node)) return node.map((item: Json) => closed(item, key));
  if (typeof node !== 'object' || node === null)
    return key === '$ref' ? String(node).replace(/^#/, 'api#') : node;
  const copy = Object.fromEntries(Object.entries(node).map(([name, child]) => [name, closed(child, name)]));
  const open = 'properties' in node && node['type'] === 'object' && !('additionalProperties' in node);
  return open && key !== 'allOf' ? { ...copy, additionalProperties: false } : copy;
}

export type SomeAnswer = {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly text: string;
};

/** The template that a path belongs to, in letters of either case; what is spelt out wins over a parameter. */
function templateOf(path: string): string | null {
  const parts = (path.split('?')[0] ?? '').replace(/(?<=.)\/$/, '').split('/');
  if (!isReadable(path)) return null;
  const fits = Object.keys(apiDocument.paths).filter((template) => {
    const expected = template.split('/');
    return (
      expected.length === parts.length &&
      expected.every((part, at) =>
        part.startsWith('{') ? parts[at] !== '' : part.toLowerCase() === parts[at]?.toLowerCase(),
      )
    );
  });
  return fits.toSorted((a, b) => a.split('{').length - b.split('{').length)[0] ?? null;
}

/** What cannot be decoded is the address of nothing. */
function isReadable(path: string): boolean {
  try {
    return decodeURIComponent(path.split('?')[0] ?? '') !== '';
  } catch {
    return false;
  }
}

/**
 * Whether the description allows this answer: its status, media type, headers, and every field of its body. An unknown
 * path must be a 404, an unknown method a 405 with `Allow`.
 * @throws Error that says what is not as described.
 */
export function conforms(method: string, path: string, answer: SomeAnswer): void {
  const wrong = misconduct(method.toUpperCase(), path, answer);
  if (wrong.length > 0) {
    throw new Error(
      `${method} ${path} answered ${answer.status} otherwise than described: ${wrong.join('; ')}\n${answer.text.slice(0, 500)}`,
    );
  }
}

function misconduct(method: string, path: string, answer: SomeAnswer): string[] {
  const template = templateOf(path);
  if (template === null)
    return meetsAnything(answer) ? anythingOf(method, answer) : problemOf(method, answer, 404, 'not_found');
  const item = apiDocument.paths[template] ?? {};
  const operation = item[(method === 'HEAD' ? 'get' : method).toLowerCase()];
  if (operation === undefined) {
    const allowed = Object.keys(item).flatMap((name) =>
      name === 'get' ? ['GET', 'HEAD'] : [name.toUpperCase()],
    );
    const shown = (answer.headers['allow'] ?? '').split(', ');
    const other = shown.toSorted().join() === allowed.toSorted().join() ? [] : [`Allow: ${shown.join(', ')}`];
    if (method === 'OPTIONS') return answer.status === 204 ? other : [...other, 'not 204'];
    if (meetsAnything(answer)) return anythingOf(method, answer);
    return [...other, ...problemOf(method, answer, 405, 'method_not_allowed')];
  }
  const described = operation.responses[answer.status] ?? operation.responses['default'];
  if (described === undefined) return ['the status is not described'];
  const response = resolved(described);
  return [...headersOf(response, answer), ...bodyOf(response, answer, method)];
}

/** A limit, or what fails whatever is asked for: it comes before the path and the method are looked at. */
function meetsAnything({ status }: SomeAnswer): boolean {
  return status === 429 || status === 408 || status === 417 || status === 431 || status >= 500;
}

function anythingOf(method: string, answer: SomeAnswer): string[] {
  const name = answer.status === 429 ? 'RateLimited' : 'Unexpected';
  return bodyOf(resolved<Described>({ $ref: `#/components/responses/${name}` }), answer, method);
}

/** Kept, so that each is compiled once. */
const expectedProblems = new Map<string, Described>();

function problemOf(method: string, answer: SomeAnswer, status: number, code: string): string[] {
  const expected: Described = expectedProblems.get(code) ?? {
    content: {
      'application/problem+json': {
        schema: {
          allOf: [
            { $ref: '#/components/schemas/Problem' },
            { type: 'object', properties: { code: { const: code }, status: { const: status } } },
          ],
        },
      },
    },
  };
  expectedProblems.set(code, expected);
  return [...(answer.status === status ? [] : [`not ${status}`]), ...bodyOf(expected, answer, method)];
}

/** What is there for browsers and caches, or counted, on answers of any kind: the description need not repeat it. */
const OF_EVERY_ANSWER = /^(?:RateLimit-\w+|Cache-Control|Content-Security-Policy|Vary)$/;

/** Of the headers that the description knows at all, only those of this answer may be there, and as it says. */
function headersOf(response: Described, answer: SomeAnswer): string[] {
  return Object.entries(apiDocument.components['headers'] ?? {}).flatMap(([name, header]) => {
    const value = answer.headers[name.toLowerCase()];
    if (value === undefined) return [];
    if (response.headers?.[name] === undefined && !OF_EVERY_ANSWER.test(name))
      return [`the header ${name} is not described`];
    return misfits((header as { schema: Schema }).schema, value).map((wrong) => `${name}: ${wrong}`);
  });
}

function bodyOf(response: Described, answer: SomeAnswer, method: string): string[] {
  const type = answer.headers['content-type']?.split(';')[0] ?? '';
  if (response.content === undefined) return answer.text === '' ? [] : ['it has a body'];
  const media = response.content[type];
  if (media === undefined) return [`its type is ${type === '' ? 'missing' : type}`];
  if (method === 'HEAD') return answer.text === '' ? [] : ['it has a body'];
  if (type.endsWith('json')) {
    const body = parsed(answer.text);
    if (body === undefined) return ['it is no JSON'];
    const status =
      type === 'application/problem+json' ? (body as { status?: unknown }).status : answer.status;
    return [
      ...(status === answer.status ? [] : ['the status of the problem is another']),
      ...misfits(media.schema ?? {}, body),
    ];
  }
  const { 'x-event-schema': eventSchema } = media;
  if (eventSchema === undefined) return [];
  return [...answer.text.matchAll(/^data: (.*)$/gm)].flatMap(([, line = '']) =>
    misfits(eventSchema, parsed(line)),
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
