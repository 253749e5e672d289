import { Router, json } from 'express';
import type { ErrorRequestHandler, Request, Response } from 'express';
import { z } from 'zod';
import { createActs } from './control-acts.ts';
import { newId } from './records.ts';
import { renderEvent } from './render.ts';
import { signatureHeader } from './signing.ts';
import type { Simulator } from './simulator.ts';

const targetSchema = z.strictObject({
  url: z.url(),
  secret: z.string().min(1),
  types: z.array(z.string()).default([]),
});

const sendSchema = z.strictObject({
  /** The whole body; or only a type, around an object that nobody knows. */
  event: z.record(z.string(), z.unknown()).optional(),
  type: z.string().default('simulator.unknown'),
  /** Sent instead of the event, byte for byte. */
  rawBody: z.string().optional(),
  signature: z.enum(['good', 'bad', 'missing']).default('good'),
  /** Added to the time that is signed: −301 is stale, 301 is from the future. */
  timestampOffsetSeconds: z.int().default(0),
  times: z.int().min(1).max(10_000).default(1),
});

/** What only a test can do to a provider. Not a part of Stripe, and without a key: it listens on loopback. */
export function createControl(simulator: Simulator): Router {
  const router = Router();
  const { faults, store, webhooks } = simulator;
  router.use(json({ limit: '1mb' }));

  router.get('/dials', (_request, response) => void response.json(simulator.dials()));
  router.post('/dials', (request, response) => void response.json(simulator.turn(request.body ?? {})));
  router.post('/reset', (_request, response) => void response.json(simulator.reset()));

  router.get('/faults', (_request, response) => void response.json(faults.armed()));
  router.post('/faults', (request, response) => {
    for (const shot of [request.body ?? {}].flat()) faults.arm(shot);
    response.json(faults.armed());
  });
  router.get('/faults/fired', (_request, response) => void response.json(faults.fired()));

  router.get('/ledger', (request, response) => {
    const since = z.coerce.number().int().min(0).default(0).parse(request.query['since']);
    response.json(store.effects.filter((effect) => effect.seq > since));
  });

  router.get('/webhooks', (_request, response) => void response.json(webhooks.counts()));
  router.post('/webhooks', (request, response) => sendWebhook(simulator, request, response));
  router.put('/endpoint', (request, response) => {
    webhooks.pointTo(targetSchema.parse(request.body));
    response.json(webhooks.target());
  });

  router.use(createActs(simulator));
  router.use(refuseUnknown);
  return router;
}

async function sendWebhook(
  { webhooks, livemode }: Simulator,
  request: Request,
  response: Response,
): Promise<void> {
  const asked = sendSchema.parse(request.body ?? {});
  const body = asked.rawBody ?? JSON.stringify(asked.event ?? unknownEvent(asked.type, livemode));
  const secret = webhooks.target()?.secret ?? '';
  const timestamp = Math.floor(Date.now() / 1000) + asked.timestampOffsetSeconds;
  const signed = signatureHeader(body, asked.signature === 'bad' ? `${secret}_wrong` : secret, timestamp);
  const header = asked.signature === 'missing' ? null : signed;
  const statuses = await Promise.all(Array.from({ length: asked.times }, () => webhooks.send(body, header)));
  response.json({ status: statuses[0] ?? null, statuses });
}

function unknownEvent(type: string, livemode: boolean) {
  const created = Math.floor(Date.now() / 1000);
  const object = { id: newId('obj'), object: 'unknown' };
  return renderEvent(
    { id: newId('evt'), type, created, object, previous: null, requestId: null, idempotencyKey: null },
    livemode,
  );
}

const refuseUnknown: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (!(error instanceof z.ZodError)) return next(error);
  response.status(400).json({ error: { message: z.prettifyError(error) } });
};
