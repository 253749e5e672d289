// @ts-check
/**
 * `npm run verify`: everything that needs no running service, one line per step, output of the failed ones only.
 * With `--without-tests` for whoever runs `npm test` as well, which has them all.
 */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const STEP_LIMIT_MS = 300_000;
const TSC = 'node_modules/@typescript/native/bin/tsc';

/** @typedef {{ name: string, command: string[] }} Step */

/** Longest first, so that no core waits for a late one. @type {Step[]} */
const STEPS = [
  {
    name: 'unit tests, probes, replay of the histories',
    command: ['vitest', 'run', '--project', 'unit', '--project', 'probes', '--project', 'histories'],
  },
  { name: 'types', command: ['node', TSC, '-p', 'tsconfig.json'] },
  { name: 'unused code and packages', command: ['knip', '--no-progress', '--no-config-hints'] },
  { name: 'lint', command: ['oxlint', '--format=unix'] },
  { name: 'boundaries', command: ['depcruise', '.'] },
  { name: 'folder graph', command: ['node', 'launch/folder-graph.mjs', '--check'] },
  { name: 'API description', command: ['node', 'launch/api-document.ts', '--check'] },
  { name: 'types in the workflow sandbox', command: ['node', TSC, '-p', 'tsconfig.workflows.json'] },
  { name: 'format', command: ['oxfmt', '--list-different'] },
];

/** Node 24 and every tool are in node_modules/.bin, also when this was not started by npm. */
const PATH = `${join(ROOT, 'node_modules', '.bin')}${delimiter}${process.env['PATH'] ?? ''}`;

/**
 * @param {Step} step
 * @returns {Promise<boolean>} whether it passed
 */
async function run({ name, command: [program = '', ...args] }) {
  const startedAt = performance.now();
  const child = spawn(program, args, {
    cwd: ROOT,
    env: { ...process.env, PATH, NO_COLOR: '1', FORCE_COLOR: undefined },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: STEP_LIMIT_MS,
  });
  /** @type {Buffer[]} */
  const output = [];
  child.stdout.on('data', (/** @type {Buffer} */ chunk) => output.push(chunk));
  child.stderr.on('data', (/** @type {Buffer} */ chunk) => output.push(chunk));
  const code = await new Promise((resolve) => {
    child.on('error', (error) => {
      output.push(Buffer.from(`${error.message}\n`));
      resolve(null);
    });
    child.on('close', resolve);
  });
  const passed = code === 0;
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1).padStart(5);
  console.log(`${passed ? '✓' : '✗'} ${seconds} s  ${name}`);
  if (!passed) console.log(`\n$ ${[program, ...args].join(' ')}\n${Buffer.concat(output).toString()}`);
  return passed;
}

/**
 * @param {Step[]} steps
 * @returns {Promise<boolean>} whether all passed
 */
async function runAll(steps) {
  const waiting = [...steps];
  const results = /** @type {boolean[]} */ ([]);
  const lane = async () => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift())
      results.push(await run(step));
  };
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
  return results.every(Boolean);
}

const steps = process.argv.includes('--without-tests')
  ? STEPS.filter(({ command }) => command[0] !== 'vitest')
  : STEPS;
const startedAt = performance.now();
const passed =
  (await run({ name: 'Prisma clients', command: ['node', 'prisma/generate.ts'] })) && (await runAll(steps));
const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1).padStart(5);
console.log(`${passed ? '✓' : '✗'} ${seconds} s  ${passed ? 'all' : 'failed'}`);
if (!passed) process.exitCode = 1;
