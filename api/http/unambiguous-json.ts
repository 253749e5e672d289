import { MAX_JSON_DEPTH } from '../../domain/limits.ts';

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:]/g;

/**
 * False for what JSON.parse takes and two readers may take differently: a name given twice in one object (RFC 8259,
 * section 4), nesting beyond MAX_JSON_DEPTH. The text must be valid JSON: then every string ends and one pass is enough.
 */
export function isUnambiguousJson(text: string): boolean {
  /** The names of each open object so far; null for an array. */
  const open: (Set<unknown> | null)[] = [];
  let last = '';
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      // Parsed, because "a" and "\u0061" are the same name.
      const name: unknown = JSON.parse(last);
      const names = open.at(-1);
      if (names?.has(name)) return false;
      names?.add(name);
    } else last = token;
    if (open.length > MAX_JSON_DEPTH) return false;
  }
  return true;
}
