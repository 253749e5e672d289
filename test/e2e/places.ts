/** Where something that was told to the platform may turn up: everything that it writes, keeps or sends, as text. */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect } from 'amqplib';
import { Redis } from 'ioredis';
import type { Stack } from '../harness/stack.ts';

/** A text by where it stands. */
export type Place = { readonly name: string; readonly text: string };

/** Takes spans as a collector would. */
export async function startSpanReceiver(): Promise<
  AsyncDisposable & { readonly url: string; places(): Place[] }
> {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      bodies.push(Buffer.concat(chunks).toString('utf8'));
      response.setHeader('Content-Type', 'application/json').end('{}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    places: () => bodies.map((text, index) => ({ name: `spans ${index}`, text })),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Every message that is published from now on. */
export async function startListening(
  rabbitmqUrl: string,
  prefix: string,
): Promise<AsyncDisposable & { places(): Place[] }> {
  const connection = await connect(rabbitmqUrl);
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, `${prefix}.events`, '#');
  const heard: Place[] = [];
  await channel.consume(
    queue,
    (message) => {
      if (message === null) return;
      const { fields, properties, content } = message;
      const text = `${JSON.stringify([fields, properties])} ${content.toString('utf8')}`;
      heard.push({ name: `message ${fields.routingKey}`, text });
    },
    { noAck: true },
  );
  return {
    places: () => heard,
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

export function logs(stack: Stack): Place[] {
  return readdirSync(stack.directory)
    .filter((file) => file.endsWith('.log'))
    .map((file) => ({ name: `log ${file}`, text: readFileSync(join(stack.directory, file), 'utf8') }));
}

/** All there are in its namespace: histories with their payloads decoded, memos and search attributes. */
export async function histories(stack: Stack): Promise<Place[]> {
  const places: Place[] = [];
  for await (const listed of stack.temporal.workflow.list()) {
    const { workflowId, runId, memo, typedSearchAttributes } = listed;
    const history = await stack.temporal.workflow.getHandle(workflowId, runId).fetchHistory();
    const text = [...texts([workflowId, memo, typedSearchAttributes.getAll(), history])].join('\n');
    places.push({ name: `history ${workflowId}`, text });
  }
  return places;
}

/** Every name and value in it; bytes as the text that they are. */
function* texts(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value;
  else if (value instanceof Uint8Array) yield Buffer.from(value).toString('utf8');
  else if (typeof value === 'object' && value !== null) {
    for (const [name, part] of Object.entries(value)) {
      yield name;
      yield* texts(part);
    }
  }
}

/** Each table is a place. */
export async function tables(stack: Stack): Promise<Place[]> {
  const places = await Promise.all(
    Object.entries(stack.pools).map(async ([service, pool]) => {
      const { rows } = await pool.query<{ name: string }>(
        `SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public'`,
      );
      const found: Place[] = [];
      for (const { name } of rows) {
        const all = await pool.query<{ text: string }>(`SELECT t::text AS text FROM ${name} t`);
        found.push({ name: `table ${service}.${name}`, text: all.rows.map(({ text }) => text).join('\n') });
      }
      return found;
    }),
  );
  return places.flat();
}

/** Keys and values of this platform in Redis. */
export async function cached(redisUrl: string, prefix: string): Promise<Place[]> {
  const redis = new Redis(redisUrl, { lazyConnect: true });
  try {
    await redis.connect();
    const places: Place[] = [];
    for (let cursor = '', keys: string[]; cursor !== '0';) {
      [cursor, keys] = await redis.scan(cursor === '' ? '0' : cursor, 'MATCH', `${prefix}:*`, 'COUNT', 1_000);
      for (const key of keys)
        places.push({ name: `redis ${key}`, text: `${key} ${await dumped(redis, key)}` });
    }
    return places;
  } finally {
    redis.disconnect();
  }
}

async function dumped(redis: Redis, key: string): Promise<string> {
  return (await redis.dumpBuffer(key))?.toString('latin1') ?? '';
}

/** In every place, as it is and in the spellings that carry text elsewhere. */
export function findIn(places: readonly Place[], secret: string): string[] {
  const bytes = Buffer.from(secret, 'utf8');
  const spellings = new Set([
    secret,
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
    bytes.toString('hex'),
    ...base64Spellings(bytes),
  ]);
  const wanted = [...spellings].map((spelling) => spelling.toLowerCase());
  return places.filter(({ text }) => containsAny(text.toLowerCase(), wanted)).map(({ name }) => name);
}

function containsAny(text: string, wanted: readonly string[]): boolean {
  return wanted.some((spelling) => text.includes(spelling));
}

/** Base64 looks different at each of three offsets; the characters that depend on the neighbours are left out. */
function base64Spellings(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((offset) => {
    const padded = Buffer.concat([Buffer.alloc(offset), bytes]);
    const whole = padded.subarray(0, padded.length - (padded.length % 3));
    const spelt = whole.toString('base64').slice(offset === 0 ? 0 : 4);
    return [spelt, spelt.replaceAll('+', '-').replaceAll('/', '_')];
  });
}
