/** docker-compose.yml as Compose itself reads it, and the Dockerfile's image as a folder. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { z } from 'zod';
import { neutralEnvironment } from '../../launch/options.ts';
import { BIN, ensureDirectory, ROOT } from '../../launch/paths.ts';

const service = z.object({
  image: z.string(),
  command: z.array(z.string()).nullable().optional(),
  entrypoint: z.array(z.string()).nullable().optional(),
  environment: z.record(z.string(), z.string().nullable()).default({}),
  deploy: z.object({ replicas: z.number().int() }).partial().optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
});
const file = z.object({ services: z.record(z.string(), service) });

export type ComposeService = z.infer<typeof service>;

/** Throws with Compose's own words when the file, or what it needs of the environment, is wrong. */
export function readCompose(envFile: string, ...files: readonly string[]): Record<string, ComposeService> {
  const named = ['docker-compose.yml', ...files].flatMap((name) => ['-f', join(ROOT, name)]);
  const output = execFileSync(
    join(BIN, 'docker-compose'),
    [...named, '--env-file', envFile, 'config', '--format', 'json'],
    { encoding: 'utf8', stdio: 'pipe', env: { ...neutralEnvironment(), TLS_CERTIFICATES: '/nowhere' } },
  );
  return file.parse(JSON.parse(output)).services;
}

/** A file as `ops/compose/secrets.mjs` writes it. */
export function writeSecrets(directory: string): string {
  const path = join(ensureDirectory(directory), 'compose.env');
  writeFileSync(path, execFileSync(process.execPath, [join(ROOT, 'ops', 'compose', 'secrets.mjs')]));
  return path;
}

export type Image = { readonly directory: string; readonly environment: Readonly<Record<string, string>> };

/** What the Dockerfile copies and nothing else, with what it runs of ours; the packages are the checkout's. */
export function buildImage(directory: string): Image {
  const lines = readFileSync(join(ROOT, 'Dockerfile'), 'utf8').split('\n');
  mkdirSync(directory, { recursive: true });
  const copied = lines.flatMap((line) => /^COPY (?!--from)(.+) \S+$/.exec(line)?.[1]?.split(' ') ?? []);
  for (const name of copied) {
    cpSync(join(ROOT, name), join(directory, name), {
      recursive: true,
      // As .dockerignore has it.
      filter: (source) =>
        basename(source) !== 'generated' && relative(ROOT, source) !== 'workflows/histories',
    });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  for (const line of lines) {
    const script = /^RUN node (\S+)$/.exec(line)?.[1];
    if (script === undefined) continue;
    execFileSync(process.execPath, [join(directory, script)], {
      cwd: directory,
      stdio: 'pipe',
      env: neutralEnvironment(),
    });
  }
  const variables = /^ENV (.+)$/m.exec(lines.join('\n'))?.[1]?.split(' ') ?? [];
  const environment = Object.fromEntries(variables.map((pair) => pair.split('=') as [string, string]));
  return { directory, environment };
}
