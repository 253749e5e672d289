/** Request bodies: strict JSON in, a typed value or a problem out. */
import { raw, type Request, type RequestHandler } from 'express';
import type { z } from 'zod';
import { MAX_BODY_BYTES } from '../../domain/limits.ts';
import { invalidBody, Problem, toPointer, type Pointer } from './problem.ts';
import { isUnambiguousJson } from './unambiguous-json.ts';

/** Reads the bytes, up to a limit; other content types are refused. */
export function jsonBodyOf(maxBytes: number): RequestHandler[] {
  return [
    (request, _response, next) => {
      if (request.is('application/json') === false || request.headers['content-type'] === undefined) {
        throw new Problem('unsupported_media_type');
      }
      next();
    },
    raw({ type: () => true, limit: maxBytes }),
  ];
}

export const jsonBody: RequestHandler[] = jsonBodyOf(MAX_BODY_BYTES);

/** Parses and validates the body; every field that is wrong is named by its pointer. */
export function parseBody<T>(request: Request, schema: z.ZodType<T>): T {
  const bytes: unknown = request.body;
  const text = decode(Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0));
  let value: unknown;
  try {
    value = JSON.parse(text, onlyPlainIntegers);
  } catch {
    throw new Problem('malformed_json');
  }
  if (!isUnambiguousJson(text))
    throw new Problem('malformed_json', { detail: 'the body names a field twice or is nested too deeply' });
  const unstorable = findUnstorableText(value, []);
  if (unstorable.length > 0) throw new Problem('invalid_body', { errors: unstorable });
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw invalidBody(parsed.error);
  return parsed.data;
}

function decode(bytes: Buffer): string {
  try {
    // A byte order mark is no part of JSON: kept, so that the parser refuses it.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Problem('malformed_json', { detail: 'the body is not UTF-8' });
  }
}

/** 1.0, 1e3 and 9007199254740993 would silently become integers: they become NaN, which no field accepts. */
function onlyPlainIntegers(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || context?.source === undefined) return value;
  return /^-?\d+$/.test(context.source) && Number.isSafeInteger(value) ? value : Number.NaN;
}

/** PostgreSQL cannot store NUL, nor half a surrogate pair; better refused than altered. */
function findUnstorableText(value: unknown, path: readonly string[]): Pointer[] {
  if (typeof value === 'string') {
    if (value.includes('\0')) return [{ pointer: toPointer(path), detail: 'contains a NUL character' }];
    return value.isWellFormed() ? [] : [{ pointer: toPointer(path), detail: 'is not well-formed Unicode' }];
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    key.includes('\0') || !key.isWellFormed()
      ? [{ pointer: toPointer(path), detail: 'has a field whose name is not text' }]
      : findUnstorableText(item, [...path, key]),
  );
}
