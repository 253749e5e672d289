/** `/openapi.json`, `/docs` and the explanations that problem documents point to. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Router } from 'express';
import type { z } from 'zod';
import { FAILURES, isFailureCode, type FailureCode } from '../../../domain/failures.ts';
import { methodNotAllowed, Problem } from '../problem.ts';
import type { ApiDocument } from './document.ts';
import type { problemType } from './operations.ts';

/** Changes with a release only. */
const CACHED = 'public, max-age=300';
/** The page's own scripts and styles, and data: for the icons in Swagger UI's style sheet. */
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const START = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#api', deepLinking: true, validatorUrl: null });\n`;
const PAGE = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>CareForAll API</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="api"></div><script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body>
</html>
`;

export function descriptionRouter(document: ApiDocument): Router {
  const router = Router();
  const json = JSON.stringify(document);
  const files = docsFiles();

  router.get('/openapi.json', (_request, response) => {
    response.set('Cache-Control', CACHED).type('json').send(json);
  });
  router.all('/openapi.json', methodNotAllowed('GET'));

  router.get('/docs', (_request, response) => {
    response.set({ 'Cache-Control': CACHED, 'Content-Security-Policy': PAGE_POLICY }).type('html').send(PAGE);
  });
  router.all('/docs', methodNotAllowed('GET'));

  router.get('/docs/:file', (request, response) => {
    const file = files.get(request.params.file);
    if (file === undefined) throw new Problem('not_found');
    response.set('Cache-Control', CACHED).type(file.type).send(file.content);
  });
  router.all('/docs/:file', methodNotAllowed('GET'));

  router.get('/problems/:code', (request, response) => {
    const { code } = request.params;
    if (!isFailureCode(code)) throw new Problem('not_found');
    const explained = explain(code);
    response.set({ 'Cache-Control': CACHED, Vary: 'Accept' });
    if (request.accepts(['application/json', 'text/html']) === 'text/html')
      response.type('html').send(pageOf(explained));
    else response.json(explained);
  });
  router.all('/problems/:code', methodNotAllowed('GET'));
  return router;
}

function explain(code: FailureCode): z.infer<typeof problemType> {
  const { title, status, retryable } = FAILURES[code];
  return { type: `/problems/${code}`, code, title, status, retryable };
}

/** Nothing in it comes from the request. */
function pageOf({ code, title, status, retryable }: ReturnType<typeof explain>): string {
  const advice = retryable
    ? 'The same request, with the same key, may succeed later: wait as long as <code>Retry-After</code> says.'
    : 'The same request would be answered the same way again.';
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>${code}</title>
<h1>${title}</h1><p><code>${code}</code>, HTTP ${status}. ${advice}</p></html>
`;
}

type DocsFile = { readonly type: string; readonly content: Buffer | string };

/** Read once, from the package: the page works without a network. */
function docsFiles(): ReadonlyMap<string, DocsFile> {
  const css = readFileSync(fileURLToPath(import.meta.resolve('swagger-ui-dist/swagger-ui.css')));
  const script = readFileSync(fileURLToPath(import.meta.resolve('swagger-ui-dist/swagger-ui-bundle.js')));
  return new Map<string, DocsFile>([
    ['swagger-ui.css', { type: 'text/css', content: css }],
    ['swagger-ui-bundle.js', { type: 'text/javascript', content: script }],
    ['start.js', { type: 'text/javascript', content: START }],
  ]);
}
