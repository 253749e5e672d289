import { IDEMPOTENCY_KEY_MAX_LENGTH, IDEMPOTENCY_KEY_MIN_LENGTH } from './limits.ts';

export type IdempotencyKeyError =
  | 'idempotency_key_missing'
  | 'idempotency_key_invalid'
  | 'idempotency_key_repeated';

export type ParsedIdempotencyKey =
  | { readonly ok: true; readonly key: string }
  | { readonly ok: false; readonly code: IdempotencyKeyError };

const KEY = new RegExp(`^[\\x21-\\x7E]{${IDEMPOTENCY_KEY_MIN_LENGTH},${IDEMPOTENCY_KEY_MAX_LENGTH}}$`);
/** A key of escaped quotes only, quoted: nothing longer can be one, and no pattern runs over it. */
const MAX_VALUE_LENGTH = 2 * IDEMPOTENCY_KEY_MAX_LENGTH + 2;
const OPTIONAL_WHITE_SPACE = /^[ \t]+|[ \t]+$/g;
/** RFC 8941, section 3.3.3: only the quote and the backslash are escaped. No parameters: one key, one meaning. */
const QUOTED = /^"(?:[\x20\x21\x23-\x5B\x5D-\x7E]|\\["\\])*"$/;

/**
 * Reads `Idempotency-Key` from every value of the header, one per header line as sent. The bare and the quoted
 * form of the same characters are the same key.
 */
export function parseIdempotencyKey(values: readonly string[]): ParsedIdempotencyKey {
  const [value, ...more] = values;
  if (more.length > 0) return { ok: false, code: 'idempotency_key_repeated' };
  if (value === undefined) return { ok: false, code: 'idempotency_key_missing' };
  if (value.length > MAX_VALUE_LENGTH) return { ok: false, code: 'idempotency_key_invalid' };
  const sent = value.replace(OPTIONAL_WHITE_SPACE, '');
  const key = sent.startsWith('"') ? unquote(sent) : sent;
  if (key === '') return { ok: false, code: 'idempotency_key_missing' };
  if (key === null || !KEY.test(key)) return { ok: false, code: 'idempotency_key_invalid' };
  return { ok: true, key };
}

function unquote(quoted: string): string | null {
  return QUOTED.test(quoted) ? quoted.slice(1, -1).replace(/\\(["\\])/g, '$1') : null;
}
