/** The shape of a check: a name, what its findings mean, what to do about them, and a pure function that finds them. */
import { RANK } from '../../domain/payment.ts';
import type {
  CampaignSnapshot,
  ChargeSnapshot,
  DonationSnapshot,
  SuspenseSnapshot,
  WebhookRow,
} from './snapshot.ts';

/**
 * missing: something that must exist does not. mismatch: two parts disagree. duplicate: there is one too many.
 * stuck: nothing is wrong yet, and nothing happens any more.
 */
export type FindingClass = 'missing' | 'mismatch' | 'duplicate' | 'stuck';

export type AuditContext = {
  /** When the audit began; what was accepted later is not looked at. */
  readonly now: Date;
  /** Younger than this, unfinished work is in flight. */
  readonly settleMs: number;
  /** How long Temporal keeps a closed workflow; null when it would not say. */
  readonly retentionMs: number | null;
  /** A payment that waits for its donor or a bank is not stuck before that. */
  readonly abandonAfterMs: number;
  /** Without a broker, events wait in the outbox and nobody writes receipts: no discrepancy. */
  readonly broker: boolean;
  /** Currency by campaign. */
  readonly currencies: ReadonlyMap<string, string>;
};

type Described = {
  readonly name: string;
  readonly class: FindingClass;
  readonly meaning: string;
  /** One line: what an operator does. `<id>` stands for the subject. */
  readonly fix: string;
  /** It compares rows of one snapshot of one database, where nothing is ever on its way: a second look adds nothing. */
  readonly atOnce?: true;
};

/** `find` returns one line for each finding: what is, and what should be. */
export type Check<Subject> = Described & {
  readonly find: (subject: Subject, context: AuditContext) => readonly string[];
};
export type DonationCheck = Check<DonationSnapshot>;
export type CampaignCheck = Check<CampaignSnapshot>;
export type WebhookCheck = Check<WebhookRow>;
export type ChargeCheck = Check<ChargeSnapshot>;
export type SuspenseCheck = Check<SuspenseSnapshot>;
export type AnyCheck = DonationCheck | CampaignCheck | WebhookCheck | ChargeCheck | SuspenseCheck;

/** Pledge and payment have both come to their end, and Temporal has nothing left to do for it. */
export function isFinal({ pledge, payment }: DonationSnapshot): boolean {
  return (
    pledge !== null &&
    payment !== null &&
    RANK[pledge.status] >= RANK.FAILED &&
    RANK[payment.state] >= RANK.FAILED
  );
}

/** Accepted so recently, and so unfinished, that its parts may rightly disagree. */
export function isInFlight(donation: DonationSnapshot, context: AuditContext): boolean {
  return donation.request !== null && !isFinal(donation) && !isOld(donation.request.acceptedAt, context);
}

/** Something changed so recently, or was told by the provider, that what follows from it may be on its way. */
export function isMoving({ transitions, openEvents }: DonationSnapshot, context: AuditContext): boolean {
  const last = transitions.at(-1);
  return (
    (last !== undefined && !isOld(last.at, context)) || openEvents.some((since) => !isOld(since, context))
  );
}

export function isOld(since: Date, { now, settleMs }: AuditContext): boolean {
  return now.getTime() - since.getTime() >= settleMs;
}

export function ageOf(since: Date, { now }: AuditContext): number {
  return Math.max(0, now.getTime() - since.getTime());
}

export function isCaptured(status: keyof typeof RANK): boolean {
  return RANK[status] >= RANK.CAPTURED;
}
