/** A process that does what ours do: takes a request, works for it, and later delivers the row it wrote. */
import { Router } from 'express';
import { closeServer, createApp, listen } from '../../../api/http/app.ts';
import { clientsBehind } from '../../../api/http/client-address.ts';
import { loadConfig } from '../../../platform/config.ts';
import { createLogger } from '../../../platform/log.ts';
import { activeTraceId, activeTraceparent, inSpan, startTelemetry } from '../../../platform/telemetry.ts';

const [traceparent = '', endpoint] = process.argv.slice(2);
const telemetry = startTelemetry('test', endpoint);
const log = createLogger('test', 'info');

let stored: string | null = null;
const router = Router();
router.post('/donate', async (_request, response) => {
  stored = activeTraceparent();
  await inSpan('persist pledge', {}, async () => {
    log.info('pledged');
    await inSpan('authorize', {}, () => new Promise((resolve) => setImmediate(resolve)));
  });
  response.status(202).json({});
});

const app = createApp({
  log: createLogger('http', 'silent'),
  routers: [router],
  describes: [],
  limits: { limits: loadConfig([], {}).LIMITS, clientOf: clientsBehind([]), store: null },
  ready: () => Promise.resolve(),
  breakers: [],
});
const { server, port } = await listen(app, 0, '127.0.0.1');
const { status } = await fetch(`http://127.0.0.1:${port}/donate`, {
  method: 'POST',
  headers: { traceparent },
});
await closeServer(server);

await inSpan('publish', { traceparent: stored, attributes: { 'donation.id': 'd-1' } }, () =>
  Promise.resolve(),
);
await inSpan('deliver', { traceparent: stored }, () => Promise.reject(new Error('no answer'))).catch(
  () => undefined,
);

const withoutSpan = activeTraceId();
await telemetry.shutdown();
process.send?.({ stored, status, withoutSpan });
process.disconnect();
