/** The samples as a small SVG: one line per process, in colours that can be told apart on white and on black. */
import { lineOf, namesIn, type Point } from './growth.ts';
import type { Sample } from './memory.ts';

type Line = { readonly name: string; readonly colour: string; readonly points: readonly Point[] };

const [WIDTH, PANEL_HEIGHT, HEAD] = [720, 250, 24];
const [LEFT, RIGHT] = [64, 560];
/** Of a panel, from its top. */
const [TOP, BOTTOM] = [12, 206];
const COLOURS = ['#3b82f6', '#e07b00', '#17a36b', '#b565d8', '#d9485f'];
const LABEL_APART = 14;

/** `apart` gets a panel of its own: what holds everything in memory would press the others flat. */
export function pictureOf(samples: readonly Sample[], title: string, apart: string): string {
  const lines = namesIn(samples).map((name, index): Line => ({
    name,
    colour: COLOURS[index % COLOURS.length] ?? '#888',
    points: lineOf(samples, name, 'rssMb'),
  }));
  const panels = [lines.filter(({ name }) => name !== apart), lines.filter(({ name }) => name === apart)];
  const drawn = panels.filter((panel) => panel.length > 0);
  const longest = Math.max(1, ...samples.map(({ minutes }) => minutes));
  const height = HEAD + drawn.length * PANEL_HEIGHT;

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}">
<style>
text{font:12px system-ui,sans-serif;fill:#6e7781}
.grid{stroke:#8b949e;stroke-opacity:.3}
.line{fill:none;stroke-width:1.8}
@media(prefers-color-scheme:dark){text{fill:#b1bac4}}
</style>
<text x="${LEFT}" y="16">${title}</text>
${drawn.map((panel, index) => panelOf(panel, longest, HEAD + index * PANEL_HEIGHT)).join('\n')}
</svg>
`;
}

function panelOf(lines: readonly Line[], longestMinutes: number, top: number): string {
  const x = axis(longestMinutes, LEFT, RIGHT, 'as it is');
  const y = axis(
    Math.max(1, ...lines.flatMap(({ points }) => points.map((point) => point.y))),
    BOTTOM,
    TOP,
    'rounded up',
  );
  const labels = spread(lines.map(({ points }) => y.place(points.at(-1)?.y ?? 0)));
  const row = (mb: number): string =>
    `<line class="grid" x1="${LEFT}" x2="${RIGHT}" y1="${at(y.place(mb))}" y2="${at(y.place(mb))}"/>` +
    `<text x="${LEFT - 6}" y="${at(y.place(mb) + 4)}" text-anchor="end">${mb}</text>`;
  const column = (minutes: number): string =>
    `<text x="${at(x.place(minutes))}" y="${BOTTOM + 18}" text-anchor="middle">${minutes}</text>`;
  const curve = ({ name, colour, points }: Line, index: number): string => {
    const path = points.map((point) => `${at(x.place(point.x))},${at(y.place(point.y))}`).join(' ');
    const label = `${name} ${points.at(-1)?.y.toFixed(0) ?? '?'} MB`;
    return (
      `<polyline class="line" stroke="${colour}" points="${path}"/>` +
      `<text x="${RIGHT + 8}" y="${at((labels[index] ?? 0) + 4)}" style="fill:${colour}">${label}</text>`
    );
  };
  return [
    `<g transform="translate(0 ${top})">`,
    ...y.ticks.map(row),
    ...x.ticks.map(column),
    `<text x="${(LEFT + RIGHT) / 2}" y="${BOTTOM + 36}" text-anchor="middle">minutes</text>`,
    `<text transform="translate(16 ${(TOP + BOTTOM) / 2}) rotate(-90)" text-anchor="middle">resident memory, MB</text>`,
    ...lines.map(curve),
    '</g>',
  ].join('\n');
}

type Axis = { readonly ticks: readonly number[]; place(value: number): number };

/** From zero to the largest value, or to the round number above it; at most five steps. */
function axis(largest: number, from: number, to: number, end: 'as it is' | 'rounded up'): Axis {
  const magnitude = 10 ** Math.floor(Math.log10(largest / 5));
  const step =
    [1, 2, 5, 10].map((factor) => factor * magnitude).find((each) => each * 5 >= largest) ?? largest;
  const steps = end === 'rounded up' ? Math.ceil(largest / step) : Math.floor(largest / step);
  const last = end === 'rounded up' ? steps * step : largest;
  return {
    ticks: Array.from({ length: steps + 1 }, (_, index) => Number((index * step).toFixed(3))),
    place: (value) => from + ((to - from) * value) / last,
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

/** A tenth of a pixel is enough. */
function at(pixels: number): string {
  return String(Number(pixels.toFixed(1)));
}
