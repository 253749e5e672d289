/** A password from whoever types it, without showing it, or from another program; never from an argument, which `ps` shows. */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { CommandProblem } from '../problem.ts';

/** Null when nothing was typed, or when there is nobody who could. */
export async function typedPassword(question: string): Promise<string | null> {
  if (!process.stdin.isTTY) return null;
  process.stderr.write(question);
  const unseen = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: unseen, terminal: true });
  const interrupted = new Promise<never>((_resolve, reject) => {
    terminal.once('SIGINT', () => reject(new CommandProblem('Given up.')));
  });
  try {
    return (await Promise.race([terminal.question(''), interrupted])) || null;
  } finally {
    terminal.close();
    process.stderr.write('\n');
  }
}

/** All of standard input, but for the line's end. */
export async function passwordFromStdin(): Promise<string> {
  const password = (await text(process.stdin)).replace(/\r?\n$/, '');
  if (password === '') throw new CommandProblem('There is no password on standard input.');
  return password;
}
