import { createInterface } from 'node:readline/promises';
import { CommandProblem, EXIT } from '../problem.ts';
import { count } from '../text.ts';

/** Asks before more than one workflow is replayed. @throws CommandProblem on a no, and where there is nobody to ask */
export async function expectAgreement(workflows: number, yes: boolean): Promise<void> {
  if (workflows <= 1 || yes) return;
  const what = count(workflows, 'workflow');
  if (!process.stdin.isTTY)
    throw new CommandProblem(
      `Nothing was replayed: ${what} would be, and there is no terminal to ask on. Say --yes, or --dry-run to see them.`,
    );
  // On stderr, because stdout may be read by a program.
  const ask = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // Ctrl-D rejects; it is as good as a no.
    const answer = await ask.question(`Replay ${what}? y/N `).catch(() => '');
    if (!/^y(?:es)?$/i.test(answer.trim())) throw new CommandProblem('Nothing was replayed.', EXIT.findings);
  } finally {
    ask.close();
  }
}
