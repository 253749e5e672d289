/** Passwords as argon2id hashes. Hashing is slow on purpose, so few run at once and few may wait. */
import { argon2, randomBytes, timingSafeEqual, type Argon2Parameters } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { Problem } from '../http/problem.ts';

export type HashCost = { readonly memoryKiB: number; readonly passes: number; readonly lanes: number };

/** OWASP Password Storage Cheat Sheet, argon2id: 19 MiB, two passes, one lane. */
export const HASH_COST: HashCost = { memoryKiB: 19_456, passes: 2, lanes: 1 };

export type Passwords = {
  /**
   * In PHC form. Rejects with `overloaded` when too many wait already, all in all or `from` one address, as the next one
   * does.
   */
  hash(password: string, from?: string): Promise<string>;
  /** Null stands for an account that is not there, and takes as long as one that is. */
  matches(password: string, stored: string | null, from?: string): Promise<boolean>;
  /** It was made at another cost than today's. */
  isOutdated(stored: string): boolean;
};

type Compute = (parameters: Argon2Parameters) => Promise<Buffer>;

const NONCE_BYTES = 16;
const HASH_BYTES = 32;
const MAX_WAITING = 32;
/** Or one client could keep everybody else from signing in without a single wrong password. */
const MAX_WAITING_SHARE = 1 / 4;
/** About as long as the queue takes to empty. */
const RETRY_AFTER_SECONDS = 3;

/**
 * One core is left to everybody else, and so is half of libuv's pool of four threads: files and DNS wait in it as well.
 */
const CONCURRENCY = Math.max(1, Math.min(2, availableParallelism() - 1));

export function createPasswords(
  options: {
    readonly cost?: HashCost;
    readonly concurrency?: number;
    readonly maxWaiting?: number;
    readonly compute?: Compute;
  } = {},
): Passwords {
  const {
    cost = HASH_COST,
    concurrency = CONCURRENCY,
    maxWaiting = MAX_WAITING,
    compute = argon2id,
  } = options;
  const inTurn = createTurns(concurrency, maxWaiting);
  const digest = (
    password: string,
    nonce: Buffer,
    { memoryKiB, passes, lanes }: HashCost,
    from?: string,
  ): Promise<Buffer> =>
    inTurn(from, () =>
      compute({
        message: password.normalize('NFC'),
        nonce,
        memory: memoryKiB,
        passes,
        parallelism: lanes,
        tagLength: HASH_BYTES,
      }),
    );
  const nobody: Parsed = { cost, nonce: randomBytes(NONCE_BYTES), hash: randomBytes(HASH_BYTES) };
  return {
    async hash(password, from) {
      const nonce = randomBytes(NONCE_BYTES);
      return format({ cost, nonce, hash: await digest(password, nonce, cost, from) });
    },
    async matches(password, stored, from) {
      const expected = stored === null ? nobody : parse(stored);
      const hash = await digest(password, expected.nonce, expected.cost, from);
      const isEqual = hash.length === expected.hash.length && timingSafeEqual(hash, expected.hash);
      return isEqual && stored !== null;
    },
    isOutdated(stored) {
      const { memoryKiB, passes, lanes } = parse(stored).cost;
      return memoryKiB !== cost.memoryKiB || passes !== cost.passes || lanes !== cost.lanes;
    },
  };
}

const argon2Async = promisify(argon2);

async function argon2id(parameters: Argon2Parameters): Promise<Buffer> {
  return await argon2Async('argon2id', parameters);
}

type Parsed = { readonly cost: HashCost; readonly nonce: Buffer; readonly hash: Buffer };

const PHC = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

/** The string format of the Password Hashing Competition, which every argon2 library reads. */
function format({ cost: { memoryKiB, passes, lanes }, nonce, hash }: Parsed): string {
  const base64 = (bytes: Buffer): string => bytes.toString('base64').replaceAll('=', '');
  return `$argon2id$v=19$m=${memoryKiB},t=${passes},p=${lanes}$${base64(nonce)}$${base64(hash)}`;
}

function parse(stored: string): Parsed {
  const [, memoryKiB, passes, lanes, nonce, hash] = PHC.exec(stored) ?? [];
  if (nonce === undefined || hash === undefined) throw new Error('a stored password hash has no known form');
  return {
    cost: { memoryKiB: Number(memoryKiB), passes: Number(passes), lanes: Number(lanes) },
    nonce: Buffer.from(nonce, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  };
}

type InTurn = <T>(from: string | undefined, work: () => Promise<T>) => Promise<T>;

/** So many at once, so many behind them and of those a share of one address, first come first served. */
function createTurns(concurrency: number, maxWaiting: number): InTurn {
  const maxWaitingFrom = Math.max(1, Math.floor(maxWaiting * MAX_WAITING_SHARE));
  let running = 0;
  const waiting: { readonly from: string | undefined; readonly begin: () => void }[] = [];
  const isFullFor = (from: string | undefined): boolean =>
    waiting.length >= maxWaiting ||
    (from !== undefined && waiting.filter((it) => it.from === from).length >= maxWaitingFrom);
  return async (from, work) => {
    if (running >= concurrency) {
      if (isFullFor(from)) throw new Problem('overloaded', { retryAfterSeconds: RETRY_AFTER_SECONDS });
      // Who ends hands the turn over, so `running` stays as it is.
      await new Promise<void>((begin) => waiting.push({ from, begin }));
    } else running += 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next.begin();
    }
  };
}
