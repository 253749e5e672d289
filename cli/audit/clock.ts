/** How long each part took. */
export type Clock = {
  /** Call what it returns when the part is done. */
  start(name: string): () => void;
  time<T>(name: string, work: () => Promise<T>): Promise<T>;
  timings(): Readonly<Record<string, number>>;
};

export function createClock(): Clock {
  const timings: Record<string, number> = {};
  const start = (name: string) => {
    const startedAt = performance.now();
    return (): void => {
      timings[name] = Math.round(performance.now() - startedAt);
    };
  };
  return {
    start,
    time: async <T>(name: string, work: () => Promise<T>): Promise<T> => {
      const done = start(name);
      const result = await work();
      done();
      return result;
    },
    timings: () => timings,
  };
}
