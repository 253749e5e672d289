import { currentUser } from '../options.ts';
import { isListening, LOOPBACK } from '../ports.ts';
import { ComponentMissing, withoutPassword, type Component } from './component.ts';
import { inspect } from './postgres-inspect.ts';
import { existingPrivatePostgres, privatePostgres, type PrivatePostgresOptions } from './postgres-private.ts';

const STANDARD_PORT = 5432;

export type RunningPostgres =
  | { readonly found: Component; readonly refusal: undefined }
  /** `refusal`: why the server that listens is not used; undefined when none listens. */
  | { readonly found: undefined; readonly refusal: string | undefined };

/**
 * `POSTGRES_URL` → the server on 127.0.0.1:5432 when its `postgres` or current user may create databases and roles →
 * a private server under `.careforall/`. Throws `ComponentMissing` when none of them can be had.
 */
export async function findPostgres(options: {
  readonly url: string | undefined;
  readonly privately: PrivatePostgresOptions;
  /** A server on the standard port with less room is not used. Only for data that is not meant to be found again. */
  readonly freeConnections?: number;
}): Promise<{ found: Component; warnings: string[] }> {
  // Data that a private server holds already goes on being used, also when another server has appeared meanwhile.
  const usesPrivate = options.url === undefined && existingPrivatePostgres(options.privately);
  const running = usesPrivate ? undefined : await findRunningPostgres(options.url, options.freeConnections);
  if (running?.found !== undefined) return { found: running.found, warnings: [] };
  const warnings =
    running?.refusal === undefined
      ? []
      : [
          `The PostgreSQL on port ${STANDARD_PORT} is not used (${running.refusal}): a private one is started instead. ` +
            'To use one all the same, give POSTGRES_URL with a user that may create databases and roles.',
        ];
  return { found: await privatePostgres(options.privately), warnings };
}

/** The server of `POSTGRES_URL`, else a usable one on the standard port. Starts nothing. */
export async function findRunningPostgres(
  url: string | undefined,
  freeConnections = 0,
): Promise<RunningPostgres> {
  if (url !== undefined) {
    const answer = await inspect(url);
    if (!answer.usable)
      throw new ComponentMissing(`POSTGRES_URL (${withoutPassword(url)}) is not usable: ${answer.why}.`);
    return {
      found: { name: 'postgres', address: url, how: `PostgreSQL ${answer.version} from POSTGRES_URL` },
      refusal: undefined,
    };
  }
  if (!(await isListening(STANDARD_PORT))) return { found: undefined, refusal: undefined };
  const reasons: string[] = [];
  for (const user of new Set(['postgres', currentUser()])) {
    const address = `postgres://${encodeURIComponent(user)}@${LOOPBACK}:${STANDARD_PORT}/postgres`;
    const answer = await inspect(address);
    if (answer.usable && answer.freeConnections < freeConnections) {
      return {
        found: undefined,
        refusal: `it has room for ${answer.freeConnections} connections, ${freeConnections} are needed`,
      };
    }
    if (answer.usable) {
      const how = `PostgreSQL ${answer.version} at ${LOOPBACK}:${STANDARD_PORT} (was running)`;
      return { found: { name: 'postgres', address, how }, refusal: undefined };
    }
    reasons.push(`${user}: ${answer.why}`);
  }
  return { found: undefined, refusal: reasons.join('; ') };
}
