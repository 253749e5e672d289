import { printable, styled, table } from '../text.ts';
import type { Diagnosis, Health } from './probe.ts';

export type DoctorReport = {
  readonly schema: 'careforall.doctor.v1';
  readonly at: string;
  /** True when every required component is. */
  readonly healthy: boolean;
  /** Of the `npm start` that runs in this checkout. */
  readonly launcherPid: number | null;
  readonly summary: string;
  readonly components: readonly Diagnosis[];
};

export function reportOf(
  components: readonly Diagnosis[],
  launcherPid: number | null,
  at: Date = new Date(),
): DoctorReport {
  const healthy = !components.some(isFatal);
  const summary = summaryOf(components, launcherPid);
  return { schema: 'careforall.doctor.v1', at: at.toISOString(), healthy, launcherPid, summary, components };
}

function isFatal({ required, health }: Diagnosis): boolean {
  return required && health === 'unhealthy';
}

function summaryOf(components: readonly Diagnosis[], launcherPid: number | null): string {
  const fatal = components.filter(isFatal);
  const lookAt = components.filter(
    (it) => it.health === 'attention' || (it.health === 'unhealthy' && !it.required),
  );
  if (fatal.length === 0) {
    if (lookAt.length === 0) return 'Everything is healthy.';
    return `Everything that is required is healthy; look at ${lookAt.map(({ component }) => component).join(', ')}.`;
  }
  const sources = new Set(components.map(({ source }) => source));
  if (launcherPid === null && !sources.has('environment')) {
    return sources.has('.careforall')
      ? 'What was started here is not running: `npm start` starts it again.'
      : 'No system was started here: `npm start` starts one.';
  }
  return `Not healthy: ${fatal.map(({ component }) => component).join(', ')}.`;
}

const MARKS: Readonly<Record<Health, { mark: string; style: 'green' | 'yellow' | 'red' | 'dim' }>> = {
  healthy: { mark: '✓', style: 'green' },
  attention: { mark: '!', style: 'yellow' },
  unhealthy: { mark: '✗', style: 'red' },
  absent: { mark: '–', style: 'dim' },
};

export function printReport({ components, healthy, launcherPid, summary }: DoctorReport): string {
  const rows = table(
    components.map(({ component, version, address, source, detail }) =>
      [component, version ?? '', address ?? '', source ?? '', detail].map(printable),
    ),
  );
  const lines = components.flatMap(({ health, fix }, index) => {
    const { mark, style } = MARKS[health];
    const row = `${styled(style, mark)} ${(rows[index] ?? '').trimEnd()}`;
    return fix === null ? [row] : [row, styled('dim', `    → ${printable(fix)}`)];
  });
  const launcher =
    launcherPid === null ? [] : [styled('dim', `\`npm start\` runs here, pid ${launcherPid}.`)];
  return [...lines, '', ...launcher, styled(healthy ? 'green' : 'red', summary)].join('\n');
}
