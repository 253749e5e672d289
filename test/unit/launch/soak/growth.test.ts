import { expect, test } from 'vitest';
import { csvOf } from '../../../../launch/soak/csv.ts';
import { growthPerHour, growthTable, slopeOf } from '../../../../launch/soak/growth.ts';
import type { Sample } from '../../../../launch/soak/memory.ts';
import { pictureOf } from '../../../../launch/soak/picture.ts';

/** An hour in which `worker` warms up for 30 minutes and stays, and `temporal` takes 2 MB more each minute. */
const samples: readonly Sample[] = Array.from({ length: 241 }, (_, index) => {
  const minutes = index / 4;
  return {
    minutes,
    accepted: minutes * 300,
    processes: [
      { name: 'worker', rssMb: Math.min(500, 200 + minutes * 10), liveHeapMb: minutes < 1 ? undefined : 90 },
      { name: 'temporal', rssMb: 100 + minutes * 2, liveHeapMb: undefined },
    ],
  };
});

test('least squares find the line through points that lie on one, and the best one through others', () => {
  const line = [0, 1, 2, 3].map((x) => ({ x, y: 7 - 2 * x }));
  expect(slopeOf(line)).toBeCloseTo(-2);
  expect(
    slopeOf([
      { x: 0, y: 0 },
      { x: 1, y: 1 },
      { x: 2, y: 1 },
    ]),
  ).toBeCloseTo(0.5);
  expect(slopeOf(line.slice(0, 1))).toBeUndefined();
});

test('growth is that of the second half: a process that only warms up does not grow', () => {
  const warmsUp = samples.map(({ minutes, processes }) => ({ x: minutes, y: processes[0]?.rssMb ?? 0 }));
  expect(growthPerHour(warmsUp)).toBeCloseTo(0);
  expect(growthPerHour(warmsUp.slice(0, 121))).toBeCloseTo(600);
});

test('the table has what each process held at its marks, and how fast it grew', () => {
  const [, , worker, temporal] = growthTable(samples).split('\n');
  expect(worker).toBe('| worker | 200 MB | 300 MB | 500 MB | 500 MB | +0.0 MB | 90 MB | +0.0 MB |');
  expect(temporal).toBe('| temporal | 100 MB | 120 MB | 160 MB | 220 MB | +120.0 MB | – | – |');
});

test('a mark that was not reached stays empty', () => {
  const [, , worker] = growthTable(samples.slice(0, 60)).split('\n');
  expect(worker).toMatch(/^\| worker \| 200 MB \| 300 MB \| – \| 348 MB \|/);
});

test('the CSV has a column for each process and measure, and nothing where nothing is known', () => {
  const [head, first, ...rest] = csvOf(samples).trimEnd().split('\n');
  expect(head).toBe('minutes,accepted,worker rss,worker live heap,temporal rss,temporal live heap');
  expect(first).toBe('0.00,0,200.0,,100.0,');
  expect(rest.at(-1)).toBe('60.00,18000,500.0,90.00,220.0,');
});

test('the picture has a line and a label per process, what stands apart in a panel of its own, and no broken number', () => {
  const svg = pictureOf(samples, '60 minutes', 'temporal');
  expect(svg.match(/<polyline /g)).toHaveLength(2);
  expect(svg.match(/<g transform/g)).toHaveLength(2);
  expect(svg).toContain('>worker 500 MB</text>');
  expect(svg).toContain('>temporal 220 MB</text>');
  expect(svg).toContain('prefers-color-scheme:dark');
  const [, lastMinutes] = /points="[^"]* ([\d.]+),[\d.]+"/.exec(svg) ?? [];
  expect(Number(lastMinutes), 'the last sample is at the right edge').toBe(560);
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  expect(pictureOf(samples.slice(0, 1), 'one sample', 'nobody')).not.toMatch(/NaN|Infinity|undefined/);
});
