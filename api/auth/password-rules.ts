/**
 * Which passwords are taken (NIST SP 800-63B-4, section 3.1.1.2): long enough, not one that everybody tries first,
 * not the account's own name. No rule on what characters they are made of.
 */
import { dictionary } from '@zxcvbn-ts/language-common';
import { MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH } from '../../domain/limits.ts';

/** Some 49,000, from leaks, in lower case. */
const COMMON: ReadonlySet<string> = new Set(dictionary['passwords-common']);

/** What is wrong with it, for the one who chose it; null when it is fine. Length counts code points. */
export function flawOf(password: string, email: string): string | null {
  const text = password.normalize('NFC');
  const length = Array.from(text).length;
  if (length < MIN_PASSWORD_LENGTH) return `has less than ${MIN_PASSWORD_LENGTH} characters`;
  if (length > MAX_PASSWORD_LENGTH) return `has more than ${MAX_PASSWORD_LENGTH} characters`;
  const lower = text.toLowerCase();
  if (lower === email || lower === email.slice(0, email.lastIndexOf('@'))) return 'is the e-mail address';
  if (COMMON.has(lower) || COMMON.has(withoutTail(lower)))
    return 'is one of those that are tried first; choose another';
  return null;
}

/** Who has to make "password" longer writes "password123!". */
function withoutTail(password: string): string {
  return password.replace(/[^\p{L}]+$/u, '');
}
