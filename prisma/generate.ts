import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { SERVICES, type Service } from '../platform/databases.ts';

// Generates the Prisma clients that are missing or older than their schema: `node prisma/generate.ts`.

const prismaPackage = new URL(import.meta.resolve('prisma/package.json'));

/** Of everything a client is made from; kept beside it. */
async function checksumOf(service: Service): Promise<string> {
  const hash = createHash('sha256');
  for (const file of [prismaPackage, new URL(`${service}/schema.prisma`, import.meta.url)])
    hash.update(await readFile(file));
  return hash.digest('hex');
}

async function generate(service: Service): Promise<void> {
  const stamp = new URL(`${service}/generated/.checksum`, import.meta.url);
  const checksum = await checksumOf(service);
  const generated = await readFile(stamp, 'utf8').catch(() => undefined);
  if (generated === checksum) return;

  const cli = fileURLToPath(new URL('build/index.js', prismaPackage));
  const config = fileURLToPath(new URL(`${service}/prisma.config.ts`, import.meta.url));
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [cli, 'generate', '--no-hints', '--config', config],
    {
      encoding: 'utf8',
      // Nothing of the caller's: the result depends on the schema alone. The CLI would download a native schema engine
      // that generating never calls; any executable stands in for it.
      env: {
        PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
        CHECKPOINT_DISABLE: '1',
        PRISMA_HIDE_UPDATE_MESSAGE: '1',
      },
    },
  );
  if (status !== 0) throw new Error(`prisma generate failed for ${service}\n${stdout}${stderr}`);
  await writeFile(stamp, checksum);
  process.stdout.write(`Prisma client of ${service} generated\n`);
}

for (const service of SERVICES) await generate(service);
