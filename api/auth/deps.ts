/** What the routes of accounts work with. */
import type { Request } from 'express';
import type { Pool } from 'pg';
import type { AuthSettings } from '../../platform/auth-settings.ts';
import type { Authenticate } from '../http/authentication.ts';
import type { DeviceTokens } from './device-tokens.ts';
import type { LoginLimits } from './login-limits.ts';
import type { Passwords } from './passwords.ts';
import type { SigningKeys } from './signing-keys.ts';

export type AuthDeps = {
  readonly pool: Pool;
  readonly keys: SigningKeys;
  readonly passwords: Passwords;
  readonly limits: LoginLimits;
  readonly devices: DeviceTokens;
  readonly authenticate: Authenticate;
  /** Whose failures are counted together. */
  readonly clientAddress: (request: Request) => string;
  readonly settings: AuthSettings;
};
