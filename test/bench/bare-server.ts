/** `node:http` and nothing else: answers every GET with whatever was last POSTed. */
import { createServer } from 'node:http';
import { loadConfig } from '../../platform/config.ts';
import { runProcess } from '../../platform/lifecycle.ts';
import { createLogger } from '../../platform/log.ts';

const KEEP_ALIVE_MS = 80_000;

await runProcess(createLogger('bare-server', 'warn'), async (opened) => {
  const { HOST, PORT } = loadConfig();
  let body = Buffer.from('{}');
  const server = createServer((request, response) => {
    if (request.method !== 'POST') {
      response.setHeader('Content-Type', 'application/json; charset=utf-8');
      response.end(body);
      return;
    }
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      body = Buffer.concat(chunks);
      response.statusCode = 204;
      response.end();
    });
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  await new Promise<void>((resolve) => server.listen(PORT, HOST, resolve));
  opened.use('server', server, (it) => {
    it.closeAllConnections();
    it.close();
  });
  return { port: PORT };
});
