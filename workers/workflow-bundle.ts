/** The workflows' code, bundled once per version of the sources: a worker that restarts loads it in milliseconds. */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, type WorkerPlugin, type WorkflowBundle } from '@temporalio/worker';
import type { Logger } from '../platform/log.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CACHE = join(ROOT, '.careforall', 'workflow-bundles');

export async function loadWorkflowBundle(plugins: WorkerPlugin[], log: Logger): Promise<WorkflowBundle> {
  const file = join(CACHE, `${await sourcesHash()}.js`);
  const cached = await readFile(file, 'utf8').catch(() => null);
  if (cached !== null) return { code: cached };

  const bundle = await bundleWorkflowCode({
    workflowsPath: join(ROOT, 'workflows', 'index.ts'),
    plugins,
    logger: {
      log: () => undefined,
      trace: () => undefined,
      debug: () => undefined,
      info: () => undefined,
      warn: (text) => log.warn(text),
      error: (text) => log.error(text),
    },
  });
  await mkdir(CACHE, { recursive: true });
  // Under a name of its own: several workers may find no bundle at the same time.
  const partial = `${file}.${randomUUID()}`;
  await writeFile(partial, bundle.code);
  await rename(partial, file);
  return bundle;
}

/** Everything the bundle is made of: our sources and the locked versions of the rest. */
async function sourcesHash(): Promise<string> {
  const hash = createHash('sha256');
  for (const folder of ['domain', 'workflows']) {
    for (const name of (await readdir(join(ROOT, folder))).toSorted()) {
      if (name.endsWith('.ts')) hash.update(name).update(await readFile(join(ROOT, folder, name)));
    }
  }
  hash.update(await readFile(join(ROOT, 'package-lock.json')));
  return hash.digest('hex').slice(0, 16);
}
