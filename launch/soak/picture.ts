/** The samples as a small SVG: one line per process, in colours that can be told apart on white and on black. */
import { lineOf, namesIn, type Point } from './growth.ts';
import type { Sample } from './memory.ts';

const [WIDTH, HEIGHT] = [720, 360];
const PLOT = { left: 64, right: 580, top: 24, bottom: 310 } as const;
const COLOURS = ['#3b82f6', '#e07b00', '#17a36b', '#b565d8', '#d9485f'];
const LABEL_APART = 14;

export function pictureOf(samples: readonly Sample[], title: string): string {
  const lines = namesIn(samples).map((name, index) => ({
    name,
    colour: COLOURS[index % COLOURS.length] ?? '#888',
    points: lineOf(samples, name, 'rssMb'),
  }));
  const all = lines.flatMap(({ points }) => points);
  const x = axis(Math.max(1, ...all.map((point) => point.x)), PLOT.left, PLOT.right);
  const y = axis(Math.max(1, ...all.map((point) => point.y)), PLOT.bottom, PLOT.top);
  const path = (points: readonly Point[]): string =>
    points.map((point) => `${x.place(point.x).toFixed(1)},${y.place(point.y).toFixed(1)}`).join(' ');
  const labels = spread(lines.map(({ points }) => y.place(points.at(-1)?.y ?? 0)));

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}">
<style>
text{font:12px system-ui,sans-serif;fill:#57606a}
.grid{stroke:#8b949e;stroke-opacity:.3}
.line{fill:none;stroke-width:1.8}
@media(prefers-color-scheme:dark){text{fill:#b1bac4}}
</style>
<text x="${PLOT.left}" y="14">${title}</text>
${y.ticks.map((mb) => `<line class="grid" x1="${PLOT.left}" x2="${PLOT.right}" y1="${y.place(mb)}" y2="${y.place(mb)}"/><text x="${PLOT.left - 6}" y="${y.place(mb) + 4}" text-anchor="end">${mb}</text>`).join('\n')}
${x.ticks.map((minutes) => `<text x="${x.place(minutes)}" y="${PLOT.bottom + 18}" text-anchor="middle">${minutes}</text>`).join('\n')}
<text x="${(PLOT.left + PLOT.right) / 2}" y="${PLOT.bottom + 38}" text-anchor="middle">minutes</text>
<text transform="translate(16 ${(PLOT.top + PLOT.bottom) / 2}) rotate(-90)" text-anchor="middle">resident memory, MB</text>
${lines
  .map(
    ({ name, colour, points }, index) =>
      `<polyline class="line" stroke="${colour}" points="${path(points)}"/><text x="${PLOT.right + 8}" y="${(labels[index] ?? 0) + 4}" style="fill:${colour}">${name} ${points.at(-1)?.y.toFixed(0) ?? ''} MB</text>`,
  )
  .join('\n')}
</svg>
`;
}

type Axis = { readonly ticks: readonly number[]; place(value: number): number };

/** From zero to a round number above the largest. */
function axis(largest: number, from: number, to: number): Axis {
  const magnitude = 10 ** Math.floor(Math.log10(largest / 4));
  const step =
    [1, 2, 2.5, 5, 10].map((factor) => factor * magnitude).find((each) => each * 5 >= largest) ?? largest;
  const top = Math.ceil(largest / step) * step;
  return {
    ticks: Array.from({ length: Math.round(top / step) + 1 }, (_, index) => index * step),
    place: (value) => from + ((to - from) * value) / top,
  };
}

/** Moves labels apart that would lie on each other, the lowest one staying where it is. */
function spread(places: readonly number[]): number[] {
  const order = places.map((place, index) => ({ place, index })).toSorted((a, b) => b.place - a.place);
  const moved: number[] = [];
  let below = Number.POSITIVE_INFINITY;
  for (const { place, index } of order) {
    below = Math.min(place, below - LABEL_APART);
    moved[index] = below;
  }
  return moved;
}
