import { MAX_JSON_DEPTH } from './limits.ts';

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue | undefined };

/**
 * One text for one value, whatever the order of its keys (RFC 8785: keys by UTF-16 code units, numbers as
 * ECMAScript prints them, no white space). A property that is `undefined` counts as absent.
 * @throws TypeError for what JSON cannot say (NaN, infinities, functions, …), RangeError beyond MAX_JSON_DEPTH.
 */
export function canonicalJson(value: JsonValue): string {
  return write(value, 0);
}

function write(value: JsonValue | undefined, depth: number): string {
  if (depth > MAX_JSON_DEPTH) throw new RangeError(`JSON nested deeper than ${MAX_JSON_DEPTH}`);
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value);
  if (isArray(value)) return `[${Array.from(value, (item) => write(item, depth + 1)).join(',')}]`;
  if (typeof value === 'object') {
    const members = Object.keys(value)
      .filter((key) => value[key] !== undefined)
      .toSorted() // the default order is by UTF-16 code units, which is what the RFC asks for
      .map((key) => `${JSON.stringify(key)}:${write(value[key], depth + 1)}`);
    return `{${members.join(',')}}`;
  }
  throw new TypeError(`JSON has no ${typeof value === 'number' ? String(value) : typeof value}`);
}

/** `Array.isArray` does not narrow a readonly array. */
function isArray(value: unknown): value is readonly JsonValue[] {
  return Array.isArray(value);
}
