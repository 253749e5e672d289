/** The report for people: checks and counts, then findings with what to do, then one line that says it all. */
import { formatMoney, isCurrencyCode } from '../../domain/money.ts';
import { count, duration, printable, styled, table } from '../text.ts';
import type { Finding } from './finding.ts';
import type { Report } from './report.ts';

const MAX_SHOWN_PER_CHECK = 20;

export function printReport(report: Report, verbose: boolean): string {
  const failing = report.checks.filter(({ findings }) => findings > 0);
  const lines: string[] = [];
  const shown = verbose ? report.checks : failing;
  const rows = table(
    shown.map(({ name, class: kind, findings, meaning }) => [
      String(findings).padStart(6),
      kind,
      name,
      meaning,
    ]),
  );
  lines.push(
    ...rows.map((row, index) => (shown[index]?.findings === 0 ? styled('dim', row) : styled('red', row))),
  );
  if (!verbose) {
    const clean = report.checks.length - failing.length;
    lines.push(
      styled(
        'dim',
        `${String(clean).padStart(6)}  ${clean === 1 ? 'check' : 'checks'} found nothing${failing.length === 0 ? '' : ' else'} (--verbose lists them)`,
      ),
    );
  }
  for (const { name, meaning, fix } of failing) {
    const findings = report.findings.filter(({ check }) => check === name);
    lines.push('', styled('bold', `${name}: ${meaning}`), styled('dim', `  fix: ${fix}`));
    lines.push(...findings.slice(0, MAX_SHOWN_PER_CHECK).map(show));
    if (findings.length > MAX_SHOWN_PER_CHECK)
      lines.push(`  … and ${findings.length - MAX_SHOWN_PER_CHECK} more (--json has them all)`);
  }
  lines.push(
    '',
    ...report.notes.map((note) => styled('yellow', `Note: ${note}`)),
    context(report),
    verdict(report),
  );
  return lines.join('\n');
}

function show({ subject, detail }: Finding): string {
  return `  ${printable(subject.id)}  ${printable(detail)}`;
}

function context({ totals, timingsMs, settleSeconds }: Report): string {
  const { providerPayments, providerRefunds, providerDisputes, workflows, campaigns, inFlight, newer } =
    totals;
  const took = duration(timingsMs['all'] ?? 0);
  const moving = [
    inFlight > 0
      ? [`${count(inFlight, 'donation')} in flight (accepted in the last ${settleSeconds} s)`]
      : [],
    newer > 0 ? [`${newer} accepted meanwhile and left out`] : [],
  ].flat();
  const reversals = [
    providerRefunds > 0 ? `, ${count(providerRefunds, 'refund')}` : '',
    providerDisputes > 0 ? `, ${count(providerDisputes, 'dispute')}` : '',
  ].join('');
  const compared = `Compared with ${count(providerPayments, 'payment')}${reversals} at the provider, ${count(workflows, 'workflow')}, ${count(campaigns, 'campaign')}, in ${took}.`;
  return styled('dim', moving.length === 0 ? compared : `${compared} ${moving.join('; ')}.`);
}

function verdict({ ok, discrepancies, totals }: Report): string {
  const sums = totals.money.map(({ currency, capturedMinor, refundedMinor, lostMinor }) => {
    const money = (amountMinor: number): string =>
      isCurrencyCode(currency) ? formatMoney({ amountMinor, currency }) : `${amountMinor} ${currency}`;
    const back = [
      refundedMinor > 0 ? [`${money(refundedMinor)} refunded`] : [],
      lostMinor > 0 ? [`${money(lostMinor)} lost to disputes`] : [],
    ].flat();
    return back.length === 0 ? money(capturedMinor) : `${money(capturedMinor)}, ${back.join(', ')}`;
  });
  const found = `${discrepancies} ${discrepancies === 1 ? 'discrepancy' : 'discrepancies'}`;
  const over = `over ${count(totals.donations, 'donation')} (${[`${totals.captured.toLocaleString('en-US')} captured`, ...sums].join(', ')})`;
  return styled(ok ? 'green' : 'red', `${found} ${over}`);
}
