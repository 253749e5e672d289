import { defineConfig } from 'vitest/config';
import type { Reporter } from 'vitest/node';

/** A test that does not run proves nothing: leaving one out is a failure, unless a name was asked for (`-t`). */
const nothingIsSkipped: Reporter = {
  onTestRunEnd(testModules) {
    for (const testModule of testModules) {
      if (testModule.project.globalConfig.testNamePattern !== undefined) return;
      for (const test of testModule.children.allTests('skipped')) {
        process.stderr.write(`Skipped: ${testModule.relativeModuleId} > ${test.fullName}\n`);
        process.exitCode = 1;
      }
    }
  },
};

const second = 1_000;

export default defineConfig({
  test: {
    allowOnly: false,
    retry: 0,
    teardownTimeout: 60 * second,
    passWithNoTests: false,
    reporters: ['default', nothingIsSkipped],
    projects: [
      // No service, no network: `npm run verify` runs these three.
      {
        test: { name: 'unit', include: ['test/unit/**/*.test.ts'], sequence: { groupOrder: 0 } },
      },
      {
        test: {
          name: 'probes',
          include: ['test/probes/**/*.test.ts'],
          hookTimeout: 60 * second,
          testTimeout: 60 * second,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'histories',
          include: ['test/histories/**/*.test.ts'],
          // Replay is native code, as a worker is.
          pool: 'forks',
          testTimeout: 60 * second,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'contract',
          include: ['test/contract/**/*.test.ts'],
          testTimeout: 30 * second,
          hookTimeout: 60 * second,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'workflow',
          include: ['test/workflow/**/*.test.ts'],
          globalSetup: ['test/harness/temporal-setup.ts'],
          // The Temporal worker is native code: it gets a process, not a thread.
          pool: 'forks',
          maxWorkers: 2,
          testTimeout: 60 * second,
          hookTimeout: 120 * second,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          pool: 'forks',
          maxWorkers: 2,
          testTimeout: 60 * second,
          hookTimeout: 120 * second,
          sequence: { groupOrder: 3 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/harness/stack-setup.ts'],
          pool: 'forks',
          maxWorkers: 3,
          testTimeout: 300 * second,
          hookTimeout: 300 * second,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
