import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const MAIN = join(import.meta.dirname, '../../../cli/main.ts');
/** Nobody listens on the discard port. */
const NOWHERE = 'postgres://u:p@127.0.0.1:9/none';

type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string };

function careforall(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { env: { ...env } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

describe('the command line', { timeout: 20_000 }, () => {
  it('explains itself', async () => {
    const { code, stdout } = await careforall(['--help']);
    expect(code).toBe(0);
    for (const command of ['donate', 'refund', 'find', 'watch', 'audit', 'doctor', 'replay'])
      expect(stdout).toContain(command);
  });

  it.each([
    [['donate', '--amount', '25.00']],
    [['watch', 'not-an-id']],
    [['refund']],
    [['refnud']],
    [['toString']],
    [['replay', '--timeout', 'soon']],
  ])('ends with 2 when it is called wrongly: %j', async (args) => {
    const { code, stdout, stderr } = await careforall(args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^error: /);
  });

  it('ends with 2 and one line, without a stack, when nobody answers', async () => {
    const { code, stderr } = await careforall(['watch', '00000000-0000-8000-8000-000000000001'], {
      DONATIONS_DATABASE_URL: NOWHERE,
      PAYMENTS_DATABASE_URL: NOWHERE,
      CAMPAIGNS_DATABASE_URL: NOWHERE,
      NOTIFICATIONS_DATABASE_URL: NOWHERE,
    });
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^careforall: The notifications database does not answer as it should: .*ECONNREFUSED.*\n$/,
    );
  });
});
