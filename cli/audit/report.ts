import type { FindingClass } from './check.ts';
import type { Finding } from './finding.ts';

export const REPORT_SCHEMA = 'careforall.audit.v1';

export type Money = {
  readonly currency: string;
  readonly capturedMinor: number;
  readonly refundedMinor: number;
  /** To disputes that banks have decided for the donor. */
  readonly lostMinor: number;
};

export type Report = {
  readonly schema: typeof REPORT_SCHEMA;
  readonly startedAt: string;
  readonly settleSeconds: number;
  readonly scope: { readonly campaignId: string | null; readonly since: string | null };
  /** True when nothing was found. */
  readonly ok: boolean;
  readonly discrepancies: number;
  readonly totals: {
    /** Donations that were compared, those in flight included. */
    readonly donations: number;
    readonly captured: number;
    readonly endedWithoutMoney: number;
    readonly inFlight: number;
    /** Accepted after the audit began: not looked at. */
    readonly newer: number;
    readonly money: readonly Money[];
    readonly providerPayments: number;
    readonly providerRefunds: number;
    readonly providerDisputes: number;
    readonly workflows: number;
    readonly campaigns: number;
    readonly openWebhooks: number;
  };
  readonly checks: readonly {
    readonly name: string;
    readonly class: FindingClass;
    readonly meaning: string;
    readonly fix: string;
    readonly findings: number;
  }[];
  readonly findings: readonly Finding[];
  /** What a reader has to know to judge the numbers. */
  readonly notes: readonly string[];
  readonly timingsMs: Readonly<Record<string, number>>;
};
