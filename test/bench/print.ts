/** The figures for a terminal and, with the machine they belong to, for docs/benchmarks.md. */
import { count, table } from '../../cli/text.ts';
import type { Figures, Percentiles, Ratio } from './figures.ts';
import type { Waits } from './login-storm.ts';
import { whyBusy } from './machine.ts';
import type { Spread } from './statistics.ts';

export function printFigures(figures: Figures): string {
  return [
    ...table(cells(figures)).map((row) => `  ${row}`),
    '',
    ...notes(figures).map((note) => `  ${note}`),
  ].join('\n');
}

export function printMarkdown(figures: Figures): string {
  const { machine, startedAt, command, loadAverage, seconds } = figures;
  const [head = [], ...rows] = cells(figures);
  const line = (row: readonly string[]): string => `| ${row.join(' | ')} |`;
  return [
    `${startedAt.slice(0, 10)}, \`${command}\` (${seconds} s), on ${machine.cpu}, ${count(machine.cores, 'core')}, ` +
      `${machine.memoryGb} GB, Node ${machine.node}, PostgreSQL ${machine.postgres}, Temporal ${machine.temporal} ` +
      `(development server, in memory); load average before it: ${loadAverage.toFixed(2)}.`,
    '',
    line(head),
    line(head.map((_, index) => (index === 0 ? '---' : '--:'))),
    ...rows.map(line),
    '',
    ...notes(figures).map((note) => `- ${note}`),
  ].join('\n');
}

function cells({ latency, ratios }: Figures): string[][] {
  return [
    ['', 'CareForAll', 'compared with', 'ratio'],
    [
      `POST to CAPTURED at ${latency.perSecond}/s: p50, p95, p99`,
      percentiles(latency.captured),
      `no-op workflow: ${percentiles(latency.noop)}`,
      factor(latency.captured.p50Ms / latency.noop.p50Ms),
    ],
    ...ratios.map(ratioRow),
  ];
}

function ratioRow({ name, baseline, ours, theirs, ratio }: Ratio): string[] {
  return [
    `${name} per second`,
    spread(ours, rate),
    `${baseline}: ${spread(theirs, rate)}`,
    spread(ratio, factor),
  ];
}

function notes({
  machine,
  loadAverage,
  latency,
  rounds,
  generator,
  logins,
  extras,
  audit,
}: Figures): string[] {
  const busy = whyBusy(loadAverage, machine.cores) !== undefined;
  const ceiling = generator.fastestPerSecond / generator.ownShare;
  return [
    ...(busy
      ? [`measured on a busy machine (load average ${loadAverage.toFixed(2)}): nothing to rely on`]
      : []),
    `${count(latency.donations, 'donation')} at the steady pace; ${count(rounds.length, 'round')} of the rest: median (least to most)`,
    `${extras.signals} signals and ${extras.aftercareRuns} aftercare runs for those ${count(extras.donations, 'donation')}`,
    `the load generator took ${percent(generator.ownShare)} of a core at ${rate(generator.fastestPerSecond)} requests per second, its fastest: its own ceiling is near ${rate(ceiling)}`,
    `${count(logins.atOnce, 'person', 'people')} signing in at once for ${logins.seconds} s: ${rate(logins.signedIn)} in and ${rate(logins.refused)} refused per second; totals reads p50, p99 ${waits(logins.reads)} (before: ${waits(logins.readsBefore)}); event loop of the API p99 ${logins.loopDelayP99Ms.toFixed(0)} ms in its worst second`,
    `${count(audit.discrepancies, 'discrepancy', 'discrepancies')} over ${count(audit.donations, 'donation')}`,
  ];
}

function spread({ median, least, most }: Spread, show: (value: number) => string): string {
  return `${show(median)} (${show(least)} to ${show(most)})`;
}

function percentiles({ p50Ms, p95Ms, p99Ms }: Percentiles): string {
  return `${[p50Ms, p95Ms, p99Ms].map((ms) => ms.toFixed(0)).join(', ')} ms`;
}

function waits({ p50Ms, p99Ms }: Waits): string {
  return `${[p50Ms, p99Ms].map((ms) => ms.toFixed(0)).join(', ')} ms`;
}

function rate(perSecond: number): string {
  return perSecond < 100 ? perSecond.toFixed(1) : Math.round(perSecond).toLocaleString('en-US');
}

function factor(value: number): string {
  return value.toFixed(value < 10 ? 2 : 1);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}
