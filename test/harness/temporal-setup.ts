/** vitest's globalSetup of tests that need Temporal and nothing else. */
import type { TestProject } from 'vitest/node';
import { startPrivateTemporal, type PrivateServer } from './private-servers.ts';
import { createRunDirectory } from './run-directory.ts';

let server: PrivateServer | undefined;

export async function setup(project: TestProject): Promise<void> {
  server = await startPrivateTemporal(createRunDirectory(project.name));
  project.provide('temporalAddress', server.url);
}

export async function teardown(): Promise<void> {
  await server?.stop();
}
