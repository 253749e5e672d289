/** What must not run with `NODE_ENV=production`: secrets that somebody could guess, and what is there for tests. */

/** Every variable that is a secret, and from how many characters on nobody can guess one. Of a list, each of them. */
export const SECRETS: Readonly<Record<string, number>> = {
  INTERNAL_TOKEN: 32,
  AUTH_SECRET: 32,
  INSTALLATION_SECRET: 32,
  STRIPE_SECRET_KEY: 24,
  STRIPE_WEBHOOK_SECRETS: 24,
};

/** Every address whose password is a secret. */
const ADDRESSES = /^(?:\w+_DATABASE_URL|POSTGRES_URL|REDIS_URL|RABBITMQ_URL)$/;
const PASSWORD_MIN_LENGTH = 12;

/** What examples, vendors and tired people put where a secret belongs. */
const EXAMPLE =
  /change.?me|replace.?me|secret|passw|default|example|placeholder|insecure|letmein|qwerty|1234567890|abcdefgh|careforall|postgres|guest|admin|operator/i;
/** `aaaa…` and `0101…` are long and can be guessed. */
const MIN_DIFFERENT_CHARACTERS = 8;

const STRIPE = 'https://api.stripe.com';

type Given = Readonly<Record<string, string | undefined>>;

/** One entry for each thing that is wrong, by the name of its variable; its value stands in none of them. */
export function productionProblems(given: Given): string[] {
  const weak = Object.entries(given).flatMap(([name, value = '']) => {
    const minLength = Object.hasOwn(SECRETS, name) ? SECRETS[name] : undefined;
    const weaknesses =
      minLength !== undefined
        ? value.split(',').map((secret) => weaknessOf(secret.trim(), minLength))
        : [ADDRESSES.test(name) ? weaknessOfAddress(value) : null];
    const [first] = weaknesses.filter((weakness) => weakness !== null);
    return first === undefined ? [] : [`${name}: ${first}`];
  });
  return [
    ...weak,
    ...providerProblems(given),
    ...(given['FAILPOINTS_DIR'] === undefined ? [] : ['FAILPOINTS_DIR: is for tests']),
  ];
}

function weaknessOf(secret: string, minLength: number): string | null {
  if (secret.length < minLength) return `has fewer than ${minLength} characters`;
  if (EXAMPLE.test(secret)) return 'looks like an example';
  return new Set(secret).size < MIN_DIFFERENT_CHARACTERS ? 'repeats a few characters' : null;
}

/** Without a password the server decides who may come in; RabbitMQ's clients then say `guest`. */
function weaknessOfAddress(value: string): string | null {
  if (!URL.canParse(value)) return null;
  const { protocol, username, password } = new URL(value);
  if (password === '') return protocol.startsWith('amqp') ? 'has no password: it would be guest’s' : null;
  if (password === username) return 'has its user’s name for a password';
  const weakness = weaknessOf(password, PASSWORD_MIN_LENGTH);
  return weakness === null ? null : `has a password that ${weakness}`;
}

/** Donors must not be thanked for money that nobody took, nor a key be shown to who is not Stripe. */
function providerProblems(given: Given): string[] {
  const base = given['STRIPE_API_BASE'] ?? STRIPE;
  const key = given['STRIPE_SECRET_KEY'];
  const isStripe = URL.canParse(base) && new URL(base).origin === STRIPE;
  const isLive = key !== undefined && /^[rs]k_live_/.test(key);
  if (isLive) return isStripe ? [] : ['STRIPE_API_BASE: a live key is for Stripe alone'];
  if (given['ALLOW_TEST_PAYMENTS'] === '1') return [];
  return [
    ...(isStripe ? [] : ['STRIPE_API_BASE: is not Stripe (ALLOW_TEST_PAYMENTS=1 allows it)']),
    ...(key === undefined ? [] : ['STRIPE_SECRET_KEY: takes no money (ALLOW_TEST_PAYMENTS=1 allows it)']),
  ];
}
