import { DEFAULT_POLICY } from '../../domain/donation.ts';
import type { PaymentProvider } from '../../provider/port.ts';
import type { Databases } from './load/databases.ts';
import type { Workflows } from './load/workflows.ts';

export type AuditSources = {
  readonly databases: Databases;
  readonly provider: PaymentProvider;
  readonly workflows: Workflows;
  /** Whether events are published at all. */
  readonly broker: boolean;
};

export type AuditOptions = {
  readonly settleMs: number;
  readonly abandonAfterMs: number;
  /** Between the first look and the second. */
  readonly pauseMs: number;
  /** Donations per range. */
  readonly pageSize: number;
  /** Of how many completed workflows to read what they returned, newest first: one question to Temporal each. */
  readonly maxResults: number;
  readonly campaignId: string | null;
  readonly since: Date | null;
  readonly progress: (text: string) => void;
};

export const DEFAULT_OPTIONS: AuditOptions = {
  settleMs: 60_000,
  abandonAfterMs: DEFAULT_POLICY.abandonAfterMs,
  pauseMs: 2_000,
  pageSize: 5_000,
  maxResults: 10_000,
  campaignId: null,
  since: null,
  progress: () => undefined,
};
