/** vitest's globalSetup: what these tests need and the machine does not have is built, or said at once with the way to get it. */
import { buildProgram, builtProgram, type GoProgram } from '../../launch/components/go-program.ts';
import { findProgram, isExecutable } from '../../launch/find-program.ts';
import { step } from '../../launch/screen.ts';
import { findNginx } from '../harness/nginx.ts';

/** Pinned in modules of their own; what PATH has may be of any version. */
const PROGRAMS: readonly GoProgram[] = [
  {
    name: 'docker-compose',
    module: 'tools/compose',
    package: 'github.com/docker/compose/v5/cmd',
    ldflags: '-s -w',
    packages: 1_000,
  },
  {
    name: 'actionlint',
    module: 'tools/actionlint',
    package: 'github.com/rhysd/actionlint/cmd/actionlint',
    ldflags: '-s -w',
    packages: 150,
  },
];

export async function setup(): Promise<void> {
  if (findNginx() === undefined) {
    throw new Error(
      'npm run test:ops needs Nginx 1.22 or later: `apt-get install nginx` or `brew install nginx`. It is only executed; it need not run.',
    );
  }
  if (findProgram('openssl') === undefined) throw new Error('npm run test:ops needs openssl on PATH.');
  for (const program of PROGRAMS) {
    if (isExecutable(builtProgram(program))) continue;
    await step(`${program.name} ready`, async (now) => {
      const failure = await buildProgram(program, now);
      if (failure !== undefined) throw new Error(`no ${program.name}: ${failure}. Install Go 1.25 or later.`);
    });
  }
}
