/** Connection failures (08), resources used up (53), shut down or cancelled by the operator or a limit (57). */
const UNAVAILABLE_CLASSES: ReadonlySet<string> = new Set(['08', '53', '57']);
const SOCKET_CODES: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
/** What `pg` says without a code. */
const MESSAGES =
  /timeout exceeded when trying to connect|connection terminated|query read timeout|client has encountered a connection error|connection ended unexpectedly|the connection failed/i;

/** PostgreSQL is away, or did not answer in time: the same request may succeed later. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return (
    SOCKET_CODES.has(code) ||
    (code.length === 5 && UNAVAILABLE_CLASSES.has(code.slice(0, 2))) ||
    MESSAGES.test(error.message)
  );
}

/** The data itself was refused (22 data exception, 23 integrity): trying again changes nothing. */
export function isDataError(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    /^(22|23)[0-9A-Z]{3}$/.test(error.code)
  );
}

/** Somebody else's row was first (23505). */
export function isUniqueViolation(error: unknown, constraint: string): boolean {
  return isRefusedBy(error, '23505', constraint);
}

/** A CHECK or trigger of ours said no (23514); each has its name. */
export function isDatabaseRefusal(error: unknown, rule: string): boolean {
  return isRefusedBy(error, '23514', rule);
}

function isRefusedBy(error: unknown, code: string, rule: string): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    error.code === code &&
    'constraint' in error &&
    error.constraint === rule
  );
}
