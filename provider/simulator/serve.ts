import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Request, Response } from 'express';
import { INTERNAL_ERROR, KEY_IN_USE, KEY_REUSED, RATE_LIMITED, UNAVAILABLE, refusal } from './errors.ts';
import type { Answer } from './errors.ts';
import type { Call } from './faults.ts';
import { NO_CHANGES, newId } from './records.ts';
import type { EventRecord, StripeObject } from './records.ts';
import { API_VERSION } from './render.ts';
import type { Simulator } from './simulator.ts';
import { beginWork } from './work.ts';
import type { Work } from './work.ts';

const KEY_LIFE_SECONDS = 24 * 3600;
const MAX_KEY_LENGTH = 255;

export type Route = {
  readonly operation: Call['operation'];
  donationOf(request: Request): string | null;
  run(work: Work, request: Request): Answer;
};

/** One call of the API as Stripe treats it, with the adversary in between. */
export async function serve(
  simulator: Simulator,
  route: Route,
  request: Request,
  response: Response,
): Promise<void> {
  const requestId = newId('req', 14);
  response.set({ 'request-id': requestId, 'stripe-version': API_VERSION });
  const call: Call = { operation: route.operation, donationId: route.donationOf(request) };
  const { faults } = simulator;

  const unauthorized = authorize(request.headers.authorization, simulator.secretKey);
  if (unauthorized !== null) return send(response, unauthorized);
  if (isOverRate(simulator) || faults.strikes('rateLimit429', call)) {
    response.set('retry-after', '1');
    return send(response, RATE_LIMITED);
  }
  if (faults.strikes('error503', call)) return send(response, UNAVAILABLE);

  const key = request.method === 'POST' ? (request.get('idempotency-key') ?? null) : null;
  if (key === null)
    return execute(simulator, route, { call, requestId, key, fingerprint: '' }, request, response);
  if (key === '' || key.length > MAX_KEY_LENGTH) return send(response, invalidKey());
  response.set('idempotency-key', key);
  const fingerprint = fingerprintOf(request);
  if (simulator.keysInUse.has(key) || faults.strikes('inUse409', call)) return send(response, KEY_IN_USE);
  const kept = simulator.store.answers.get(key);
  if (kept !== undefined && kept.at > Date.now() / 1000 - KEY_LIFE_SECONDS) {
    if (kept.fingerprint !== fingerprint) return send(response, KEY_REUSED);
    const stored = simulator.ledger.read(kept.ref).answer;
    if (stored === undefined) throw new Error('The ledger lost an answer');
    response.set({ 'idempotent-replayed': 'true', 'original-request': stored.requestId });
    await sleep(faults.latencyMs(call));
    return deliver(simulator, call, { ...stored, executed: true }, request, response);
  }
  simulator.keysInUse.add(key);
  try {
    await execute(simulator, route, { call, requestId, key, fingerprint }, request, response);
  } finally {
    simulator.keysInUse.delete(key);
  }
}

type Execution = {
  readonly call: Call;
  readonly requestId: string;
  readonly key: string | null;
  readonly fingerprint: string;
};

async function execute(
  simulator: Simulator,
  route: Route,
  { call, requestId, key, fingerprint }: Execution,
  request: Request,
  response: Response,
): Promise<void> {
  const { faults, store, livemode } = simulator;
  const delayMs = faults.latencyMs(call);
  if (delayMs > 0) await sleep(delayMs);
  const dials = simulator.dials();
  const work = beginWork({ store, faults, dials, call, livemode, requestId, idempotencyKey: key });
  let answer = faults.strikes('error500Before', call) ? INTERNAL_ERROR : route.run(work, request);
  const changes = answer.executed ? work.changes() : NO_CHANGES;
  if (answer.status < 300 && faults.strikes('error500After', call)) answer = INTERNAL_ERROR;

  if (request.method === 'POST' && answer.executed) {
    const { status, body } = answer;
    const at = Math.floor(Date.now() / 1000);
    simulator.commit({
      ...changes,
      ...(key === null ? {} : { answer: { key, fingerprint, status, body, requestId, at } }),
    });
    await announce(simulator, call, changes.events);
  }
  // From here on a repeated request finds the stored answer, whatever becomes of this one.
  if (key !== null) simulator.keysInUse.delete(key);
  return deliver(simulator, call, answer, request, response);
}

async function announce(simulator: Simulator, call: Call, events: readonly EventRecord[]): Promise<void> {
  const { webhooks, faults } = simulator;
  if (events.length > 0 && webhooks.target() !== null && faults.strikes('webhookEarly', call)) {
    await webhooks.deliverNow(events);
    return;
  }
  for (const event of events) webhooks.dispatch(event);
}

/** The way back, on which answers get lost or spoilt after the effect. */
async function deliver(
  simulator: Simulator,
  call: Call,
  answer: Answer,
  request: Request,
  response: Response,
): Promise<void> {
  const { faults } = simulator;
  const write = request.method === 'POST';
  if (faults.strikes('loseAllAnswers', call) || (write && faults.strikes('loseWriteAnswers', call))) {
    request.socket.destroy();
    return;
  }
  // The connection stays open until the client gives up.
  if (faults.strikes('timeoutAfter', call)) return;
  if (faults.strikes('resetAfter', call)) {
    request.socket.resetAndDestroy();
    return;
  }
  if (answer.status < 300 && faults.strikes('malformed', call)) {
    const [type, text] = spoil(answer.body, faults.between(0, 4));
    response.status(answer.status).type(type).send(text);
    return;
  }
  const showsWrongAmount = call.operation !== 'create' && call.operation !== 'capture';
  if (answer.status < 300 && showsWrongAmount && faults.strikes('wrongAmount', call)) {
    return send(response, { ...answer, body: withWrongAmounts(answer.body) });
  }
  return send(response, answer);
}

function send(response: Response, answer: Answer): void {
  response.status(answer.status).json(answer.body);
}

/** Shapes that a proxy, a bug or a new API version could send. */
function spoil(body: StripeObject, kind: number): readonly [type: string, text: string] {
  const text = JSON.stringify(body);
  if (kind === 0) return ['json', text.slice(0, Math.floor(text.length / 2))];
  if (kind === 1) return ['html', '<html><body>It works!</body></html>'];
  if (kind === 2) return ['json', '42'];
  if (kind === 3) return ['json', JSON.stringify({ ...body, status: 'on_a_journey', data: { moved: true } })];
  return ['json', '{}'];
}

function withWrongAmounts(body: StripeObject): StripeObject {
  if (Array.isArray(body['data'])) return { ...body, data: body['data'].map(withWrongAmounts) };
  return typeof body['amount'] === 'number' ? { ...body, amount: body['amount'] + 1 } : body;
}

const rates = new WeakMap<Simulator, { second: number; calls: number }>();

function isOverRate(simulator: Simulator): boolean {
  const limit = simulator.dials().maxRequestsPerSecond;
  if (limit === 0) return false;
  const second = Math.floor(Date.now() / 1000);
  const rate = rates.get(simulator);
  const calls = rate?.second === second ? rate.calls + 1 : 1;
  rates.set(simulator, { second, calls });
  return calls > limit;
}

/** `Bearer sk_…`, or the key as the user of basic authentication as in curl's `-u`. */
function authorize(header: string | undefined, secretKey: string): Answer | null {
  const [scheme, value = ''] = (header ?? '').split(' ');
  const given =
    scheme === 'Basic' ? Buffer.from(value, 'base64').toString('utf8').replace(/:.*$/s, '') : value;
  if (given === secretKey) return null;
  const message =
    given === ''
      ? 'You did not provide an API key. You need to provide your API key in the Authorization header.'
      : `Invalid API Key provided: ${given.slice(0, 8)}${'*'.repeat(Math.max(given.length - 12, 0))}${given.slice(-4)}`;
  return refusal(401, { type: 'invalid_request_error', message });
}

function fingerprintOf(request: Request): string {
  return createHash('sha256')
    .update(`${request.method} ${request.path} ${canonical(request.body)}`)
    .digest('hex');
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? '{}';
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join()}}`;
}

function invalidKey(): Answer {
  return refusal(400, {
    type: 'invalid_request_error',
    message: `Idempotency keys must have 1 to ${MAX_KEY_LENGTH} characters.`,
  });
}
