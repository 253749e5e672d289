import { Command } from 'commander';
import { ConfigError, loadConfig } from '../../platform/config.ts';
import { knownVariables } from '../environment.ts';
import { CommandProblem, EXIT, type ExitCode } from '../problem.ts';
import { launcherPid } from './machine.ts';
import { examine, type Probe } from './probe.ts';
import { machineProbes, systemProbes } from './probes.ts';
import { printReport, reportOf } from './report.ts';

export function doctorCommand(end: (exitCode: ExitCode) => void): Command {
  return new Command('doctor')
    .description('what runs, where, in which version, whether it is healthy, and how to mend what is not')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nEnds with 0 when everything that is required is healthy, with 1 when something is not. Also without a started system.',
    )
    .action(async (options: { json?: true }) => {
      const launcher = launcherPid();
      const probes = [...machineProbes(), ...knownProbes(launcher)];
      const report = reportOf(await Promise.all(probes.map((probe) => examine(probe))), launcher);
      console.log(options.json ? JSON.stringify(report, null, 2) : printReport(report));
      end(report.healthy ? EXIT.ok : EXIT.findings);
    });
}

/** A configuration that cannot be read is a finding like any other. */
function knownProbes(launcher: number | null): Probe[] {
  try {
    const known = knownVariables();
    return systemProbes(loadConfig([], known.values), known, launcher);
  } catch (error) {
    if (!(error instanceof ConfigError) && !(error instanceof CommandProblem)) throw error;
    const fix = 'correct it; nothing else can be looked at before';
    const about = {
      component: 'configuration',
      required: true,
      address: null,
      source: 'environment',
    } as const;
    return [{ ...about, fix, missing: error.message, ask: null }];
  }
}
