/** The OpenAPI description of one process: whatever its services say of themselves, in one document. */
import { createDocument, type oas31, type ZodOpenApiPathsObject } from 'zod-openapi';
import { FAILURES, isFailureCode } from '../../../domain/failures.ts';
import { HEADERS } from './headers.ts';
import { ownOperations } from './operations.ts';
import { problem, problemExamples } from './problems.ts';
import { SECURITY_SCHEMES, type ServiceDescription } from './service.ts';

export type ApiDocument = oas31.OpenAPIObject;

/** Of the contract; the whole platform has one. */
const CONTRACT_VERSION = '1.0.0';

const DESCRIPTION = `Donations that stay correct whatever is sent twice.

Money is an integer of minor units with its \`currency\`. Whatever moves money takes an \`Idempotency-Key\`: after a
time-out, a reset or a 5xx send the same request with the same key. Errors are RFC 9457 problem documents with a stable
\`code\`; \`Retry-After\` says that the same request may succeed later. Every path answers another method with 405 and
\`Allow\`, HEAD like GET without the body, and OPTIONS with 204 and \`Allow\`. Every answer to a request that is counted
says with \`RateLimit-*\` how many more may follow; \`Cache-Control\` is \`no-store\` unless it is said otherwise.`;

/**
 * @throws Error when two services describe the same path, or one gives a schema that JSON Schema cannot say.
 */
export function describeApi(services: readonly ServiceDescription[]): ApiDocument {
  const all = [...services, ownOperations];
  const paths: ZodOpenApiPathsObject = {};
  for (const service of all)
    for (const [path, item] of Object.entries(service.paths)) {
      if (Object.hasOwn(paths, path)) throw new Error(`${path} is described twice`);
      paths[path] = item;
    }
  const document = createDocument(
    {
      openapi: '3.1.1',
      info: {
        title: 'CareForAll',
        version: CONTRACT_VERSION,
        description: DESCRIPTION,
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: '/' }],
      tags: all.flatMap(({ tags }) => tags),
      paths,
      components: { schemas: { Problem: problem } },
    },
    {
      // A reader of answers must take fields that it does not know: more may come.
      override: ({ jsonSchema, io }) => {
        if (io === 'output' && jsonSchema.additionalProperties === false)
          delete jsonSchema.additionalProperties;
      },
    },
  ) as ApiDocument;
  const used = referencesIn(document);
  return {
    ...document,
    components: {
      ...document.components,
      headers: only(HEADERS, used),
      securitySchemes: only(SECURITY_SCHEMES, used),
      examples: problemExamples(used),
    },
    'x-problems': Object.fromEntries(
      [...used].filter(isFailureCode).map((code) => [code, FAILURES[code]] as const),
    ),
  };
}

/** The last part of each `$ref`, and the names of the security schemes: what the operations use of the components. */
function referencesIn(value: unknown): Set<string> {
  const found = new Set<string>();
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    for (const [key, child] of Object.entries(node)) {
      if (key === '$ref' && typeof child === 'string') found.add(child.slice(child.lastIndexOf('/') + 1));
      if (key === 'security' && Array.isArray(child))
        for (const requirement of child as object[])
          for (const name of Object.keys(requirement)) found.add(name);
      visit(child);
    }
  };
  visit(value);
  return found;
}

function only<T extends object>(all: T, used: ReadonlySet<string>): Partial<T> {
  return Object.fromEntries(Object.entries(all).filter(([name]) => used.has(name))) as Partial<T>;
}
