const FORMULA = /^[=+\-@\t\r]/;

/**
 * Comma-separated text with CR LF after every row (RFC 4180). A cell that a spreadsheet would run as a formula begins
 * with an apostrophe (https://owasp.org/www-community/attacks/CSV_Injection); null is an empty cell.
 */
export function toCsv(rows: readonly (readonly (string | number | null)[])[]): string {
  return rows.map((row) => `${row.map(cell).join(',')}\r\n`).join('');
}

function cell(value: string | number | null): string {
  const text = value === null ? '' : String(value);
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
