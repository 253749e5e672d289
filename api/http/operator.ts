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

/** Null unless there is one Authorization header and it is a Bearer token: of two, a proxy may have checked the other. */
export function bearerToken(request: Request): string | null {
  const headers = request.headersDistinct['authorization'] ?? [];
  const match = headers.length === 1 ? /^Bearer +([\x21-\x7E]+)$/i.exec(headers[0] ?? '') : null;
  return match?.[1] ?? null;
}

export function equalInConstantTime(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
