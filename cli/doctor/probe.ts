/** Asks one part of the system how it is; no part can keep the doctor waiting for longer than the limit. */
import type { Source } from '../environment.ts';
import { reasonOf } from '../problem.ts';

/** `attention`: it works, and somebody should look. `absent`: it is optional and not there. */
export type Health = 'healthy' | 'attention' | 'unhealthy' | 'absent';

export type Diagnosis = {
  readonly component: string;
  /** Without it the system does not do its work. */
  readonly required: boolean;
  readonly health: Health;
  /** Never with a password. */
  readonly address: string | null;
  readonly source: Source | null;
  readonly version: string | null;
  readonly detail: string;
  /** One line; null when there is nothing to do. */
  readonly fix: string | null;
};

export type Answer = {
  /** Healthy unless told. */
  readonly health?: Health;
  readonly version?: string | null;
  readonly detail: string;
  readonly fix?: string;
};

export type Limits = {
  /** Aborted at the limit, and as soon as the answer is there: sockets that listen to it are gone then. */
  readonly signal: AbortSignal;
  /** For calls that must have one; a little after the limit. */
  readonly deadline: Date;
  /** For what knows no signal. */
  readonly opened: DisposableStack;
};

export type Probe = Pick<Diagnosis, 'component' | 'required' | 'address' | 'source'> & {
  /** What to do when it does not answer. */
  readonly fix: string;
  /** A rejection is as good as no answer. Null: there is nobody to ask. */
  readonly ask: ((limits: Limits) => Promise<Answer>) | null;
  /** Said when there is nobody to ask. */
  readonly missing?: string;
};

export const LIMIT_MS = 3_000;
const AFTER_LIMIT_MS = 500;

export async function examine(probe: Probe, limitMs: number = LIMIT_MS): Promise<Diagnosis> {
  const { component, required, address, source, ask, fix } = probe;
  const told = (answer: Answer): Diagnosis => ({
    component,
    required,
    health: answer.health ?? 'healthy',
    address,
    source,
    version: answer.version ?? null,
    detail: answer.detail,
    fix: answer.fix ?? null,
  });
  if (ask === null)
    return told({
      health: required ? 'unhealthy' : 'absent',
      detail: probe.missing ?? 'no address is known',
      ...(required ? { fix } : {}),
    });

  const ended = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  using opened = new DisposableStack();
  opened.defer(() => ended.abort());
  opened.defer(() => clearTimeout(timer));
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${limitMs / 1_000} s`)), limitMs);
  });
  try {
    const deadline = new Date(Date.now() + limitMs + AFTER_LIMIT_MS);
    const limits = { signal: ended.signal, deadline, opened };
    return told(await Promise.race([ask(limits), late]));
  } catch (error) {
    return told({ health: 'unhealthy', detail: reasonOf(error) || String(error), fix });
  }
}

/** User, host, port and path: a password may also stand among the parameters. */
export function withoutSecrets(url: string): string {
  try {
    const { protocol, username, host, pathname } = new URL(url);
    return `${protocol}//${username === '' ? '' : `${username}@`}${host}${pathname === '/' ? '' : pathname}`;
  } catch {
    return 'an address that cannot be read';
  }
}
