/** Of an odd number of values the middle one, of an even number the mean of the two in the middle. Throws without any. */
export function median(values: readonly number[]): number {
  const sorted = sortedOf(values);
  const middle = sorted.length / 2;
  return (at(sorted, Math.ceil(middle) - 1) + at(sorted, Math.floor(middle))) / 2;
}

/** The nearest rank: the smallest value that `share` of all do not exceed. Throws without any. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = sortedOf(values);
  return at(sorted, Math.max(0, Math.ceil(share * sorted.length) - 1));
}

export type Spread = { readonly median: number; readonly least: number; readonly most: number };

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

function sortedOf(values: readonly number[]): number[] {
  return values.toSorted((a, b) => a - b);
}

function at(values: readonly number[], index: number): number {
  const value = values[index];
  if (value === undefined) throw new Error('no values');
  return value;
}
