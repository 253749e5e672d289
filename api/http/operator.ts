import { createHash, timingSafeEqual } from 'node:crypto';
import type { Request, RequestHandler } from 'express';
import { Problem } from './problem.ts';

/** Until accounts exist, whoever holds the configured token is the operator. */
export function operatorOnly(operatorToken: string): RequestHandler {
  return (request, _response, next) => {
    if (!isOperator(request, operatorToken)) throw new Problem('unauthorized');
    next();
  };
}

export function isOperator(request: Request, operatorToken: string): boolean {
  const token = bearerToken(request);
  return token !== null && equalInConstantTime(token, operatorToken);
}

/** Null without an Authorization header; any other scheme than Bearer is refused. */
export function bearerToken(request: Request): string | null {
  const header = request.headers.authorization;
  if (header === undefined) return null;
  const match = /^Bearer +([\x21-\x7E]+)$/i.exec(header);
  if (match?.[1] === undefined) throw new Problem('unauthorized');
  return match[1];
}

export function equalInConstantTime(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
