/** Accounts over HTTP: who somebody is, and the tokens that say so. */
import { Router } from 'express';
import { signedIn } from '../http/authentication.ts';
import { jsonBody } from '../http/json-body.ts';
import { methodNotAllowed } from '../http/problem.ts';
import type { AuthDeps } from './deps.ts';
import { jwks } from './jwks.ts';
import { login } from './login.ts';
import { logout } from './logout.ts';
import { me } from './me.ts';
import { password } from './password.ts';
import { refresh } from './refresh.ts';
import { register } from './register.ts';
import { findUsers, putRole } from './users.ts';

export function authRouter(deps: AuthDeps): Router {
  const router = Router();
  const anybody = signedIn(deps.authenticate);
  const operator = signedIn(deps.authenticate, 'operator');

  router.post('/auth/register', ...jsonBody, register(deps));
  router.all('/auth/register', methodNotAllowed('POST'));
  router.post('/auth/login', ...jsonBody, login(deps));
  router.all('/auth/login', methodNotAllowed('POST'));
  router.post('/auth/refresh', ...jsonBody, refresh(deps));
  router.all('/auth/refresh', methodNotAllowed('POST'));
  router.post('/auth/logout', ...jsonBody, logout(deps));
  router.all('/auth/logout', methodNotAllowed('POST'));
  router.post('/auth/password', anybody, ...jsonBody, password(deps));
  router.all('/auth/password', methodNotAllowed('POST'));
  router.get('/auth/me', anybody, me(deps));
  router.all('/auth/me', methodNotAllowed('GET'));
  router.get('/.well-known/jwks.json', jwks(deps));
  router.all('/.well-known/jwks.json', methodNotAllowed('GET'));
  router.get('/admin/users', operator, findUsers(deps));
  router.all('/admin/users', methodNotAllowed('GET'));
  router.put('/admin/users/:id/role', operator, ...jsonBody, putRole(deps));
  router.all('/admin/users/:id/role', methodNotAllowed('PUT'));
  return router;
}
