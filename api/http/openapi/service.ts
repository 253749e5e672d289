/** The words a service describes its operations with. */
import type { z } from 'zod';
import type {
  oas31,
  ZodOpenApiPathsObject,
  ZodOpenApiRequestBodyObject,
  ZodOpenApiResponseObject,
} from 'zod-openapi';
import type { Role } from '../../../domain/actor.ts';
import { headers, type HeaderName } from './headers.ts';

/** What a service offers over HTTP; each path and method of its router, and nothing else. */
export type ServiceDescription = {
  readonly tags: readonly oas31.TagObject[];
  readonly paths: ZodOpenApiPathsObject;
};

type Examples = Readonly<Record<string, { readonly summary: string; readonly value: unknown }>>;

export function jsonAnswer(
  description: string,
  schema: z.ZodType,
  examples: Examples,
  ...names: readonly HeaderName[]
): ZodOpenApiResponseObject {
  return { description, headers: headers(...names), content: { 'application/json': { schema, examples } } };
}

export function jsonRequest(schema: z.ZodType, examples: Examples): ZodOpenApiRequestBodyObject {
  return { required: true, content: { 'application/json': { schema, examples } } };
}

export function emptyAnswer(description: string, ...names: readonly HeaderName[]): ZodOpenApiResponseObject {
  return { description, headers: headers(...names) };
}

/** Server-sent events (WHATWG HTML §9.2); the `data` of each is JSON of the named schema. */
export function eventStream(
  description: string,
  eventSchema: string,
  example: string,
): ZodOpenApiResponseObject {
  return {
    description,
    headers: headers('Cache-Control'),
    content: {
      'text/event-stream': {
        schema: { type: 'string' },
        example,
        'x-event-schema': { $ref: `#/components/schemas/${eventSchema}` },
      },
    },
  };
}

export const SECURITY_SCHEMES = {
  accessToken: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'Of an account. Where a requirement names roles, one of them is needed.',
  },
  donorToken: {
    type: 'http',
    scheme: 'bearer',
    description: 'What `POST /donate` gave to a guest. It opens that one donation, and never expires.',
  },
  webhookSignature: {
    type: 'apiKey',
    in: 'header',
    name: 'Stripe-Signature',
    description: 'HMAC-SHA256 over the exact bytes, at most 300 s old or ahead.',
  },
} as const satisfies Readonly<Record<string, oas31.SecuritySchemeObject>>;

type Requirement = oas31.SecurityRequirementObject;

/** Anybody may call it. */
export const PUBLIC: Requirement[] = [];

/** With an access token of one of these roles; of any when none is named (OpenAPI 3.1: the list holds roles). */
export function accountOf(...roles: readonly Role[]): Requirement {
  return { accessToken: [...roles] };
}

export const GUEST: Requirement = {};
export const DONOR_TOKEN: Requirement = { donorToken: [] };
export const WEBHOOK_SIGNATURE: Requirement = { webhookSignature: [] };
