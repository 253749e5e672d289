/**
 * The first steps on a fresh machine: plain JavaScript for Node 20 with nothing installed. Brings `node_modules` in line
 * with `package-lock.json`, then goes on under the Node that `package.json` pins.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MODULES = join(ROOT, 'node_modules');
const STAMP = join(MODULES, '.careforall-installed');
const INSTALLING = join(ROOT, '.careforall', 'installing.pid');
/** Every process of ours reads the same sources: what Node has made of them is kept for the next one. */
const COMPILED = join(ROOT, '.careforall', 'compile-cache');
const NEEDED_NODE_MAJOR = 24;

/** @param {string} script path from the root of the checkout */
export async function goOnUnderPinnedNode(script) {
  if (Number(process.versions.node.split('.')[0]) < 20) {
    console.error(`Node ${process.versions.node} is too old to start from: install Node 20 or later.`);
    process.exitCode = 1;
    return;
  }
  const failure = await install();
  if (failure !== null) {
    console.error(failure);
    process.exitCode = 1;
    return;
  }
  const node = pinnedNode();
  if (node === null) {
    console.error(
      `node_modules/.bin/node does not run here and this is Node ${process.versions.node}: install Node ${NEEDED_NODE_MAJOR}.`,
    );
    process.exitCode = 1;
    return;
  }
  run(node, [join(ROOT, script), ...process.argv.slice(2)]);
}

/**
 * @public `.ci/run` calls it before anything is installed
 * @returns {Promise<string | null>} what went wrong
 */
export async function install() {
  if (isInstalled()) return null;
  await waitForOtherInstall();
  if (isInstalled()) return null;
  mkdirSync(dirname(INSTALLING), { recursive: true });
  writeFileSync(INSTALLING, String(process.pid));
  try {
    return await npmCi();
  } finally {
    rmSync(INSTALLING, { force: true });
  }
}

/** All it says goes to stderr: stdout may belong to a tool that is called through us. */
async function npmCi() {
  console.error('Installing packages (npm ci) …');
  const startedAt = Date.now();
  const seconds = () => Math.round((Date.now() - startedAt) / 1000);
  // npm shows its own progress on a terminal, and nothing at all elsewhere.
  const ticker = process.stderr.isTTY
    ? undefined
    : setInterval(() => console.error(`  … ${seconds()} s`), 10_000);
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = process.env.npm_execpath?.endsWith('.js')
    ? { command: process.execPath, args: [process.env.npm_execpath, ...args] }
    : { command: 'npm', args };
  const child = spawn(npm.command, npm.args, {
    cwd: ROOT,
    stdio: ['inherit', process.stderr, 'inherit'],
    shell: process.platform === 'win32',
  });
  const forward = (/** @type {NodeJS.Signals} */ signal) => child.kill(signal);
  for (const signal of SIGNALS) process.on(signal, forward);
  const code = await new Promise((resolve) => {
    child.on('error', () => resolve(127));
    child.on('exit', (exitCode, signal) => resolve(signal === null ? exitCode : 130));
  });
  for (const signal of SIGNALS) process.off(signal, forward);
  clearInterval(ticker);
  if (code !== 0)
    return `npm ci failed after ${seconds()} s (exit code ${String(code)}): its output is above; run the same command again once the cause is gone.`;
  writeFileSync(STAMP, lockHash());
  console.error(`Packages installed in ${seconds()} s.`);
  return null;
}

function isInstalled() {
  if (!existsSync(MODULES)) return false;
  if (existsSync(STAMP)) return readFileSync(STAMP, 'utf8') === lockHash();
  // Installed by hand: npm's own record says whether it is the same set, and spares the developer a reinstall.
  if (!matchesNpmRecord()) return false;
  writeFileSync(STAMP, lockHash());
  return true;
}

function lockHash() {
  const lock = readFileSync(join(ROOT, 'package-lock.json'));
  return `${createHash('sha256').update(lock).digest('hex')} ${process.platform} ${process.arch}\n`;
}

function matchesNpmRecord() {
  const record = join(MODULES, '.package-lock.json');
  if (!existsSync(record)) return false;
  const installed = JSON.parse(readFileSync(record, 'utf8')).packages ?? {};
  const wanted = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages ?? {};
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const found = installed[path];
    return found === undefined
      ? entry.optional === true || entry.devOptional === true
      : found.version === entry.version;
  });
}

/** Two first starts at once (`npm start` and `npm test`) must not install over each other. */
async function waitForOtherInstall() {
  let told = false;
  while (existsSync(INSTALLING)) {
    const pid = Number(readFileSync(INSTALLING, 'utf8'));
    if (!isAlive(pid)) {
      rmSync(INSTALLING, { force: true });
      return;
    }
    if (!told) console.error(`Another start (pid ${pid}) is installing packages: waiting for it …`);
    told = true;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** @param {number} pid */
function isAlive(pid) {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function pinnedNode() {
  const bundled = join(MODULES, 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (existsSync(bundled)) {
    const { status, stdout } = spawnSync(bundled, ['--version'], { encoding: 'utf8' });
    if (status === 0 && isRecentEnough(stdout.trim().slice(1))) return bundled;
  }
  return isRecentEnough(process.versions.node) ? process.execPath : null;
}

/** @param {string} version */
function isRecentEnough(version) {
  return Number(version.split('.')[0]) >= NEEDED_NODE_MAJOR;
}

/**
 * npm starts scripts through a shell that passes no signal on: ending npm would leave us running, unseen.
 *
 * @param {() => void} orphaned
 */
function watchNpm(orphaned) {
  if (process.env.npm_lifecycle_event === undefined || process.platform === 'win32') return undefined;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    orphaned();
  }, 1_000);
  return timer;
}

/** @type {NodeJS.Signals[]} */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Becomes a relay: signals go in, the exit code comes out. The IPC channel tells the other side when this process is
 * killed without a chance to pass that on.
 *
 * @param {string} node
 * @param {string[]} args
 */
function run(node, args) {
  const path = [join(MODULES, '.bin'), process.env.PATH ?? ''].join(delimiter);
  const child = spawn(node, args, {
    cwd: ROOT,
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, PATH: path, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? COMPILED },
  });
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  const orphaned = watchNpm(() => child.kill('SIGTERM'));
  child.on('error', (error) => {
    console.error(`Cannot run ${node}: ${error.message}`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    clearInterval(orphaned);
    // 128 + n is what a shell reports for a process that a signal ended.
    process.exitCode = code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
    if (child.connected) child.disconnect();
  });
}
