import { namesIn } from './growth.ts';
import type { Sample } from './memory.ts';

/** One row per sample; of each process its RSS and its live heap in MB, empty where unknown. */
export function csvOf(samples: readonly Sample[]): string {
  const names = namesIn(samples);
  const head = ['minutes', 'accepted', ...names.flatMap((name) => [`${name} rss`, `${name} live heap`])];
  const rows = samples.map(({ minutes, accepted, processes }) => [
    minutes.toFixed(2),
    String(accepted),
    ...processes.flatMap(({ rssMb, liveHeapMb }) => [rssMb?.toFixed(1) ?? '', liveHeapMb?.toFixed(2) ?? '']),
  ]);
  return `${[head, ...rows].map((cells) => cells.join(',')).join('\n')}\n`;
}
