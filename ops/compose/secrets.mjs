// @ts-check
/** `node ops/compose/secrets.mjs > .env`: the variables of .env.example, each with a secret of its own. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** @type {Readonly<Record<string, string>>} */
const PREFIXES = { STRIPE_SECRET_KEY: 'sk_test_', STRIPE_WEBHOOK_SECRET: 'whsec_' };

const example = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8');
process.stdout.write(
  example.replace(
    /^([A-Z_]+)=$/gm,
    (_line, /** @type {string} */ name) =>
      `${name}=${PREFIXES[name] ?? ''}${randomBytes(24).toString('hex')}`,
  ),
);
