/**
 * The form in which two spellings of one address are equal: no space around it, lower case. The part before the @ could
 * tell letters apart (RFC 5321, section 2.3.11); no provider does, and people don't.
 */
export function normalisedEmail(text: string): string {
  return text.trim().toLowerCase();
}
