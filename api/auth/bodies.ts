/** What the routes of accounts take. */
import { z } from 'zod';
import { ROLES } from '../../domain/actor.ts';
import { normalisedEmail } from '../../domain/email.ts';
import { MAX_EMAIL_LENGTH, MAX_NAME_LENGTH, MIN_PASSWORD_LENGTH } from '../../domain/limits.ts';
import { Problem } from '../http/problem.ts';
import { flawOf } from './password-rules.ts';

/** Whatever the limit is in code points, more is not even looked at. */
const MAX_PASSWORD_UNITS = 1_024;
const MAX_TOKEN_LENGTH = 512;

const email = z.email().max(MAX_EMAIL_LENGTH).transform(normalisedEmail);
const password = z.string().min(1).max(MAX_PASSWORD_UNITS);
const newPassword = z
  .string()
  .min(MIN_PASSWORD_LENGTH, `has less than ${MIN_PASSWORD_LENGTH} characters`)
  .max(MAX_PASSWORD_UNITS);
const token = z.string().min(1).max(MAX_TOKEN_LENGTH);

export const registerBody = z.strictObject({
  email,
  password: newPassword,
  name: z.string().trim().min(1).max(MAX_NAME_LENGTH).optional(),
});

export const loginBody = z.strictObject({ email, password, deviceToken: token.optional() });
export const refreshBody = z.strictObject({ refreshToken: token });
export const passwordBody = z.strictObject({ currentPassword: password, newPassword });
export const roleBody = z.strictObject({ role: z.enum(ROLES) });

/** @throws the problem that names the field when the password is not one to be taken. */
export function refuseFlawed(chosen: string, ofEmail: string, pointer: string): void {
  const flaw = flawOf(chosen, ofEmail);
  if (flaw !== null) throw new Problem('invalid_body', { errors: [{ pointer, detail: flaw }] });
}
