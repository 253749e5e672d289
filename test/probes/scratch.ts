import { spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export const ROOT = join(import.meta.dirname, '..', '..');
const SCRATCHES = join(ROOT, '.careforall', 'probes');

/** What decides whether a file passes; a scratch gets the real ones. */
const CONFIGURATION = [
  '.dependency-cruiser.mjs',
  '.oxfmtrc.json',
  '.oxlintrc.json',
  'package.json',
  'tsconfig.json',
  'tsconfig.workflows.json',
];

export type Scratch = AsyncDisposable & {
  readonly path: string;
  /** Runs a tool of node_modules/.bin there. */
  run(
    tool: string,
    args: readonly string[],
  ): Promise<{ readonly code: number | null; readonly output: string }>;
};

/** A small tree with our configuration and the given files, inside the ignored folder of the checkout. */
export async function createScratch(files: Readonly<Record<string, string>>): Promise<Scratch> {
  await mkdir(SCRATCHES, { recursive: true });
  const path = await mkdtemp(join(SCRATCHES, `${process.pid}-`));
  await Promise.all(CONFIGURATION.map(async (name) => copyFile(join(ROOT, name), join(path, name))));
  await Promise.all(
    Object.entries(files).map(async ([name, source]) => {
      await mkdir(dirname(join(path, name)), { recursive: true });
      await writeFile(join(path, name), source);
    }),
  );
  return {
    path,
    async run(tool, args) {
      return runTool(path, tool, args);
    },
    async [Symbol.asyncDispose]() {
      await rm(path, { recursive: true, force: true });
    },
  };
}

async function runTool(cwd: string, tool: string, args: readonly string[]) {
  const child = spawn(join(ROOT, 'node_modules', '.bin', tool), args, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  return { code, output: Buffer.concat(chunks).toString() };
}
