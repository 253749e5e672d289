/** Express as it comes: parses the body and answers 202 with it. */
import express from 'express';
import { listen } from '../../api/http/app.ts';
import { loadConfig } from '../../platform/config.ts';
import { runProcess } from '../../platform/lifecycle.ts';
import { createLogger } from '../../platform/log.ts';

await runProcess(createLogger('echo-server', 'warn'), async (opened) => {
  const { HOST, PORT } = loadConfig();
  const app = express();
  app.post('/donate', express.json(), (request, response) => {
    response.status(202).json(request.body);
  });
  const { server, port } = await listen(app, PORT, HOST);
  opened.use('server', server, (it) => {
    it.closeAllConnections();
    it.close();
  });
  return { port };
});
