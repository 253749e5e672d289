/**
 * `npm run docs:api` writes what the services say of themselves into docs/api/openapi.json; `--check` only says whether
 * that is up to date.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeApi } from '../api/http/openapi/document.ts';
import { SERVICES } from '../api/services.ts';
import { ROOT } from './paths.ts';

const document = describeApi(SERVICES);
const json = `${JSON.stringify(document, null, 2)}\n`;

const files: Readonly<Record<string, string>> = {
  'docs/api/openapi.json': json,
};

for (const [name, fresh] of Object.entries(files)) {
  const file = join(ROOT, name);
  if (!process.argv.includes('--check')) {
    await writeFile(file, fresh);
  } else if (fresh !== (await readFile(file, 'utf8').catch(() => null))) {
    console.error(`${name} is out of date: npm run docs:api`);
    process.exitCode = 1;
  }
}
