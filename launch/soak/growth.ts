/** What the samples say: a row per process, with how fast it still grows. */
import type { ProcessMemory, Sample } from './memory.ts';

export type Point = { readonly x: number; readonly y: number };

/** By least squares; `undefined` with fewer than two points. */
export function slopeOf(points: readonly Point[]): number | undefined {
  if (points.length < 2) return undefined;
  const mean = (of: (point: Point) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [meanX, meanY] = [mean(({ x }) => x), mean(({ y }) => y)];
  const spread = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  const together = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0);
  return spread === 0 ? undefined : together / spread;
}

export type Measure = 'rssMb' | 'liveHeapMb';

/** One process's line, in minutes and MB. */
export function lineOf(samples: readonly Sample[], name: string, measure: Measure): Point[] {
  return samples.flatMap(({ minutes, processes }) => {
    const y = processes.find((process) => process.name === name)?.[measure];
    return y === undefined ? [] : [{ x: minutes, y }];
  });
}

export function namesIn(samples: readonly Sample[]): string[] {
  return (samples[0]?.processes ?? []).map(({ name }: ProcessMemory) => name);
}

/** MB per hour over the second half: the first is warming up. */
export function growthPerHour(line: readonly Point[]): number | undefined {
  const [first, last] = [line[0]?.x ?? 0, line.at(-1)?.x ?? 0];
  const slope = slopeOf(line.filter(({ x }) => x >= (first + last) / 2));
  return slope === undefined ? undefined : slope * 60;
}

const MARKS_MINUTES = [10, 30];

export function growthTable(samples: readonly Sample[]): string {
  const rows = namesIn(samples).map((name) => {
    const rss = lineOf(samples, name, 'rssMb');
    const heap = lineOf(samples, name, 'liveHeapMb');
    return [
      name,
      megabytes(rss[0]?.y),
      ...MARKS_MINUTES.map((mark) => megabytes(rss.find(({ x }) => x >= mark)?.y)),
      megabytes(rss.at(-1)?.y),
      signed(growthPerHour(rss)),
      megabytes(heap.at(-1)?.y),
      signed(growthPerHour(heap)),
    ];
  });
  const titles = [
    'process',
    'start',
    ...MARKS_MINUTES.map((mark) => `${mark} min`),
    'end',
    'growth per hour',
    'live heap, end',
    'its growth per hour',
  ];
  const rule = titles.map((_, index) => (index === 0 ? '---' : '--:'));
  return [titles, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function megabytes(mb: number | undefined): string {
  return mb === undefined ? '–' : `${mb.toFixed(0)} MB`;
}

function signed(mb: number | undefined): string {
  if (mb === undefined) return '–';
  return `${mb < 0 ? '−' : '+'}${Math.abs(mb).toFixed(1)} MB`;
}
