/** Who sends a request: nobody known, or the holder of one valid access token. Nothing in between. */
import type { Request, RequestHandler } from 'express';
import { GUEST, type Actor, type Role, type User } from '../../domain/actor.ts';
import { Problem } from './problem.ts';
import { countAccount } from './rate-limits.ts';

/** Whose access token this is; null when it is none that counts. Rejects while that cannot be told. */
export type Authenticate = (token: string) => Promise<User | null>;

const users = new WeakMap<Request, User>();

/** Lets through who has one of the roles; anyone known when none is named. Before the body: a stranger's is not read. */
export function signedIn(authenticate: Authenticate, ...roles: readonly Role[]): RequestHandler {
  return async (request, _response, next) => {
    const actor = await actorOf(request, authenticate);
    if (actor.kind === 'guest') throw new Problem('unauthorized');
    if (roles.length > 0 && !roles.includes(actor.role)) throw new Problem('forbidden');
    users.set(request, actor);
    next();
  };
}

/** Of a request that `signedIn` let through. */
export function userOf(request: Request): User {
  const user = users.get(request);
  if (user === undefined) throw new Error('this route asks for no access token');
  return user;
}

/** A token that does not count must never turn a person into a guest: who retries a donation as a guest pays twice. */
export async function actorOf(request: Request, authenticate: Authenticate): Promise<Actor> {
  // Whoever asks this answers one thing to one person: no cache may give it to another.
  request.res?.vary('Authorization');
  if (request.headersDistinct['authorization'] === undefined) return GUEST;
  const token = bearerToken(request);
  const user = token === null ? null : await userByToken(request, token, authenticate);
  if (user === null) throw new Problem('unauthorized');
  return user;
}

/** Null for a token that does not count; what the request costs is counted for its account. */
export async function userByToken(
  request: Request,
  token: string,
  authenticate: Authenticate,
): Promise<User | null> {
  const user = await authenticate(token);
  if (user !== null) await countAccount(request, user);
  return user;
}

/** Null unless there is one Authorization header and it is a Bearer token: of two, a proxy may have checked the other. */
export function bearerToken(request: Request): string | null {
  const headers = request.headersDistinct['authorization'] ?? [];
  const match = headers.length === 1 ? /^Bearer +([\x21-\x7E]+)$/i.exec(headers[0] ?? '') : null;
  return match?.[1] ?? null;
}
