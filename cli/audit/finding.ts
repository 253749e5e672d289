import type { AuditContext, Check, FindingClass } from './check.ts';

export type SubjectKind = 'donation' | 'campaign' | 'webhook' | 'charge' | 'suspense';

export type Finding = {
  readonly check: string;
  readonly class: FindingClass;
  readonly subject: { readonly kind: SubjectKind; readonly id: string };
  readonly detail: string;
  readonly fix: string;
};

export function findAll<Subject>(
  checks: readonly Check<Subject>[],
  kind: SubjectKind,
  id: string,
  subject: Subject,
  context: AuditContext,
): Finding[] {
  return checks.flatMap((check) =>
    check.find(subject, context).map((detail) => ({
      check: check.name,
      class: check.class,
      subject: { kind, id },
      detail,
      fix: check.fix.replaceAll('<id>', id),
    })),
  );
}

/** What a second look must find again for a candidate to be reported. Details may differ: things move. */
export function identityOf({ check, subject }: Finding): string {
  return `${check} ${subject.kind} ${subject.id}`;
}
