// Whatever the README asks its reader to type is typed here, in order, and must do what the README says of it.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ROOT } from '../../launch/paths.ts';
import { freePort, isPortFree, LOOPBACK } from '../../launch/ports.ts';
import { clearRabbitmq, clearRedis } from '../../launch/shared-servers.ts';
import { dropDatabases } from '../../platform/migrate.ts';
import { testComponents } from '../harness/components.ts';
import { eventually } from '../harness/eventually.ts';
import { uniquePrefix } from '../harness/stack-databases.ts';
import { copyCheckout, run, start, type Ended, type LongRunning } from './readme-checkout.ts';
import { commandsOf, hiddenCommandsIn, scriptsNamedIn } from './readme-commands.ts';

const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const START_LIMIT_MS = 180_000;

const scripts = z
  .object({ scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))).scripts;
const campaigns = z.object({ data: z.array(z.object({ id: z.string(), currency: z.string() })) });
const donation = z.object({ id: z.string(), status: z.string(), donorToken: z.string().optional() });

/** What the reader has in hand after the commands before. */
const inHand = { CAMPAIGN: '', ID: '', DONOR_TOKEN: '' };
const prefix = uniquePrefix();
let folder: string;
let port: number;
let system: LongRunning | undefined;
let stopped: Ended | undefined;
const opened = new AsyncDisposableStack();

/** Each command with what it must do. A command of the README that none of them knows is a failure. */
const RULES: readonly (readonly [RegExp, (command: string) => Promise<void> | void])[] = [
  [/^npm start$/, startsTheSystem],
  [/^npm test$/, isWhatTheMachineRuns],
  [/^npm run demo$/, hasATestOfItsOwn],
  [/^node ops\/compose\/secrets\.mjs > \.env$/, makesSecrets],
  [/^docker compose up -d --build$/, isWhatTheStackIsTestedWith],
  [/^curl -i \S+\/donate /, isAccepted],
  [/^curl \S+\/donations\/ID /, showsTheDonation],
  [/^npm run careforall -- donate .*--wait$/, (command) => succeeds(command, /^CAPTURED$/m)],
  [
    /^npm run careforall -- find ID$/,
    (command) => succeeds(command, /^ID  CAPTURED  25\.00 USD  campaign CAMPAIGN/m),
  ],
  [
    /^npm run careforall -- watch ID$/,
    (command) => succeeds(command, /^ID: CAPTURED v\d+; workflow COMPLETED$/m),
  ],
  [
    /^npm run careforall -- audit$/,
    (command) => succeeds(command, /^0 discrepancies over [1-9]\d* donations /m),
  ],
  [
    /^npm run careforall -- operator create --email \S+$/,
    (command) => succeeds(command, /^\S+ is an operator\.$[\s\S]+^Signed in at http/m),
  ],
  [
    /^npm run careforall -- doctor$/,
    (command) => succeeds(command, /^Everything (?:is|that is required is) healthy/m),
  ],
];

beforeAll(async () => {
  const { postgresUrl, redisUrl, rabbitmqUrl, runDirectory } = testComponents();
  port = await freePort();
  folder = join(runDirectory, 'readme');
  opened.use(copyCheckout(folder));
  opened.defer(() => dropDatabases({ adminUrl: postgresUrl, prefix }));
  if (redisUrl !== null) opened.defer(async () => void (await clearRedis(redisUrl, prefix)));
  if (rabbitmqUrl !== null) opened.defer(() => clearRabbitmq(rabbitmqUrl, prefix));
});
afterAll(async () => {
  if (stopped === undefined) await system?.interrupt();
  await opened.disposeAsync();
});

describe('what the README asks to type does what it says', () => {
  for (const command of commandsOf(README)) {
    test(`$ ${command}`, async () => {
      const rules = RULES.filter(([pattern]) => pattern.test(command));
      expect(rules.length, `test/e2e/readme.test.ts knows no rule for: ${command}`).toBe(1);
      for (const [, holds] of rules) await holds(command);
    });
  }

  test('Ctrl-C stops everything that npm start has started', async () => {
    stopped = await system?.interrupt();
    expect(stopped?.output).toContain('The data stays; `npm start` goes on from here.');
    expect(await isPortFree(port, LOOPBACK)).toBe(true);
    const { code, stdout } = await run('npm run careforall -- doctor', folder);
    expect(stdout).toContain('What was started here is not running: `npm start` starts it again.');
    expect(code).toBe(1);
  });

  test('no command stands where this test does not see it', () => {
    expect(hiddenCommandsIn(README)).toEqual([]);
  });

  test('every npm script that it names is there', () => {
    const named = scriptsNamedIn(README);
    expect(named).toContain('reset');
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  });
});

async function makesSecrets(command: string): Promise<void> {
  expect((await run(command, folder)).code).toBe(0);
  const lines = readFileSync(join(folder, '.env'), 'utf8').split('\n');
  expect(lines.filter((line) => /^[A-Z_]+=$/.test(line))).toEqual([]);
  expect(lines.filter((line) => /^[A-Z_]+=\S{32,}$/.test(line)).length).toBeGreaterThan(10);
}

/** Nothing here builds images: test/ops/compose.test.ts runs each service's command and environment of the file. */
function isWhatTheStackIsTestedWith(): void {
  expect(readFileSync(join(ROOT, 'test/ops/compose.test.ts'), 'utf8')).toContain('docker-compose.yml');
  expect(scripts['test:ops']).toContain('test/ops');
}

async function startsTheSystem(command: string): Promise<void> {
  const { postgresUrl, redisUrl, rabbitmqUrl, temporalAddress } = testComponents();
  system = start(command, folder, {
    PORT: String(port),
    NAME_PREFIX: prefix,
    POSTGRES_URL: postgresUrl,
    ...(redisUrl === null ? {} : { REDIS_URL: redisUrl }),
    ...(rabbitmqUrl === null ? {} : { RABBITMQ_URL: rabbitmqUrl }),
    TEMPORAL_ADDRESS: temporalAddress,
    TEMPORAL_NAMESPACE: prefix,
  });
  const said = await system.untilSays('Ctrl-C stops everything', START_LIMIT_MS);
  expect(said).toContain('with 3 example campaigns');
  expect(said).toMatch(new RegExp(`^ {2}API +http://${LOOPBACK}:${port}$`, 'm'));

  const { code, stdout } = await run(typed('curl http://127.0.0.1:8080/campaigns'), folder);
  expect(code).toBe(0);
  const { data } = campaigns.parse(JSON.parse(stdout));
  expect(data).toHaveLength(3);
  inHand.CAMPAIGN = data.find(({ currency }) => currency === 'USD')?.id ?? '';

  const printed = /^curl .*$/m.exec(said)?.[0] ?? 'false';
  expect((await run(printed, folder)).stdout).toMatch(/^HTTP\/1\.1 20[12] /);
}

/** It runs this very test, so it cannot be run by it. */
function isWhatTheMachineRuns(command: string): void {
  expect(scripts['test']).toBe('exec node launch/test.mjs');
  expect(readFileSync(join(ROOT, '.ci', 'run'), 'utf8').split('\n')).toContain(command);
}

function hasATestOfItsOwn(): void {
  expect(scripts['demo']).toBe('exec node launch/demo.mjs');
  expect(existsSync(join(import.meta.dirname, 'demo.test.ts'))).toBe(true);
}

async function isAccepted(command: string): Promise<void> {
  const { code, stdout } = await run(typed(command), folder);
  expect(code).toBe(0);
  const [head = '', body = ''] = stdout.split('\r\n\r\n');
  expect(head).toMatch(/^HTTP\/1\.1 202 /);
  const { id, donorToken } = donation.parse(JSON.parse(body));
  expect(head).toMatch(new RegExp(`^Location: \\S*/donations/${id}\\r?$`, 'im'));
  inHand.ID = id;
  inHand.DONOR_TOKEN = donorToken ?? '';
}

async function showsTheDonation(command: string): Promise<void> {
  await eventually(
    'the donation is captured',
    async () => {
      const { code, stdout } = await run(typed(command), folder);
      expect(code).toBe(0);
      expect(donation.parse(JSON.parse(stdout))).toMatchObject({ id: inHand.ID, status: 'CAPTURED' });
    },
    { withinMs: 60_000, everyMs: 200 },
  );
}

async function succeeds(command: string, says: RegExp): Promise<void> {
  const { code, stdout, output } = await run(typed(command), folder);
  expect(code, output).toBe(0);
  expect(stdout).toMatch(new RegExp(typed(says.source), says.flags));
}

/** With what the reader would put in the place of a name, and this system's port. */
function typed(command: string): string {
  return command
    .replaceAll('http://127.0.0.1:8080', `http://${LOOPBACK}:${port}`)
    .replaceAll(/\b(?:CAMPAIGN|ID|DONOR_TOKEN)\b/g, (name) => inHand[name as keyof typeof inHand]);
}
