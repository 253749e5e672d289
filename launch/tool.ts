/**
 * `npm run temporal -- …` and `npm run tctl -- …`: Temporal's own tools on the system that runs here, or that the
 * environment names. Input, output and exit code are the tool's; what is said about getting it goes to stderr.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { knownVariables } from '../cli/environment.ts';
import { CommandProblem } from '../cli/problem.ts';
import { ComponentMissing } from './components/component.ts';
import { obtainTctlBinary, presentTctlBinary } from './components/tctl-binary.ts';
import { obtainTemporalBinary, presentTemporalBinary } from './components/temporal-binary.ts';
import { complain, step, tellAside, type Step } from './screen.ts';
import { isToolName, toolEnvironment, type ToolName } from './tool-environment.ts';

const SOURCES: Readonly<
  Record<
    ToolName,
    { readonly present: () => string | undefined; readonly obtain: (step: Step) => Promise<string> }
  >
> = {
  temporal: { present: presentTemporalBinary, obtain: obtainTemporalBinary },
  tctl: { present: presentTctlBinary, obtain: obtainTctlBinary },
};

const [name = '', ...args] = process.argv.slice(2);
try {
  if (!isToolName(name)) throw new Error('usage: tool.ts temporal|tctl <arguments of the tool>');
  const { present, obtain } = SOURCES[name];
  const binary = present() ?? (await step(`${name} ready`, obtain, () => `${name} ready`, tellAside));
  process.exitCode = await run(binary, args, toolEnvironment(name, args, knownVariables().values));
} catch (error) {
  const known = error instanceof ComponentMissing || error instanceof CommandProblem;
  complain(known ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
}
if (process.connected) process.disconnect();

/** Becomes the tool, as far as whoever started this can tell; resolves with its exit code. */
async function run(
  binary: string,
  toolArgs: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<number> {
  const child = spawn(binary, toolArgs, { stdio: 'inherit', env });
  const pass = (signal: NodeJS.Signals): void => {
    // Ctrl-C reaches the tool by its terminal: told twice, it would end without tidying up.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, pass);
  process.once('disconnect', () => child.kill('SIGTERM'));
  return await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) =>
      // 128 + n is what a shell reports for a process that a signal ended.
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    );
  });
}
