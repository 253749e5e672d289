import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { auditCommand } from '../../../cli/audit/command.ts';
import { doctorCommand } from '../../../cli/doctor/command.ts';
import { donateCommand } from '../../../cli/donate/command.ts';
import { findCommand } from '../../../cli/find/command.ts';
import { reconcileCommand } from '../../../cli/reconcile/command.ts';
import { reviewCommand } from '../../../cli/reconcile/review.ts';
import { refundCommand } from '../../../cli/refund/command.ts';
import { replayCommand } from '../../../cli/replay/command.ts';
import { watchCommand } from '../../../cli/watch/command.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../../docs/cli.md'), 'utf8');
const commands = [
  donateCommand,
  refundCommand,
  findCommand,
  watchCommand,
  auditCommand,
  reconcileCommand,
  reviewCommand,
  doctorCommand,
  replayCommand,
].map((create) => create(() => undefined));

describe('docs/cli.md', () => {
  it.each(commands.map((command): [string, Command] => [command.name(), command]))(
    'describes %s with every option it has',
    (name, command) => {
      const [, section = ''] = PAGE.split(`\n## ${name}\n`);
      const own = section.split('\n## ')[0] ?? '';
      expect(own).toContain(`$ npm run careforall -- ${name}`);
      const options = command.options.map(({ long }) => long ?? '');
      expect(options).toContain('--json');
      expect(options.filter((option) => !own.includes(option))).toEqual([]);
    },
  );
});
