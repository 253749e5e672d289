/** Not a project of `npm test`: it writes what those tests read. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    name: 'histories',
    include: ['test/histories/record.ts'],
    globalSetup: ['test/harness/temporal-setup.ts'],
    pool: 'forks',
    retry: 0,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 60_000,
  },
});
