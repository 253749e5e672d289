/** The entries that were used last; the oldest make room. */
export type TokenCache<T> = {
  get(key: string): T | undefined;
  set(key: string, value: T): void;
  delete(key: string): void;
};

export function createTokenCache<T>(maxEntries: number): TokenCache<T> {
  // A Map keeps the order of insertion: what is put in again is the newest.
  const entries = new Map<string, T>();
  return {
    get(key) {
      const value = entries.get(key);
      if (value === undefined) return undefined;
      entries.delete(key);
      entries.set(key, value);
      return value;
    },
    set(key, value) {
      entries.delete(key);
      const [oldest] = entries.size >= maxEntries ? entries.keys() : [];
      if (oldest !== undefined) entries.delete(oldest);
      entries.set(key, value);
    },
    delete: (key) => void entries.delete(key),
  };
}
