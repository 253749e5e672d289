/** What a test run shares: real servers, found or started once by `stack-setup.ts`. */
import { inject } from 'vitest';

export type TestComponents = {
  /** An administrator's URL: databases are created and dropped through it. */
  readonly postgresUrl: string;
  /** null when the machine has none. */
  readonly redisUrl: string | null;
  readonly rabbitmqUrl: string | null;
  /** Of this run alone: in memory, gone afterwards. */
  readonly temporalAddress: string;
  /** Logs of every process that the run starts. */
  readonly runDirectory: string;
};

declare module 'vitest' {
  // An interface, because vitest merges the declarations of all files.
  interface ProvidedContext {
    /** Of the run's private Temporal server. */
    temporalAddress: string;
    testComponents: TestComponents;
  }
}

export function testComponents(): TestComponents {
  return inject('testComponents');
}

export function temporalAddress(): string {
  return inject('temporalAddress');
}
