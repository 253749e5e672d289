import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { askNode, askTool, judgeDisk } from '../../../cli/doctor/machine.ts';
import { examine, withoutSecrets, type Diagnosis, type Probe } from '../../../cli/doctor/probe.ts';
import { printReport, reportOf } from '../../../cli/doctor/report.ts';

const MAIN = join(import.meta.dirname, '../../../cli/main.ts');

const probe: Probe = {
  component: 'thing',
  required: true,
  address: 'thing:1',
  source: 'environment',
  fix: 'start it',
  ask: null,
};

describe('a probe', () => {
  it('that is never answered ends at its limit, with everything it opened closed', async () => {
    const closed: string[] = [];
    const { health, detail, fix } = await examine(
      {
        ...probe,
        ask: ({ signal, opened }) => {
          opened.defer(() => closed.push('connection'));
          signal.addEventListener('abort', () => closed.push('socket'));
          return new Promise(() => undefined);
        },
      },
      50,
    );
    expect({ health, detail, fix }).toEqual({
      health: 'unhealthy',
      detail: 'no answer within 0.05 s',
      fix: 'start it',
    });
    expect(closed.toSorted()).toEqual(['connection', 'socket']);
  });

  it('that fails is told by the innermost reason', async () => {
    const failure = new Error('outer', { cause: new Error('connect ECONNREFUSED') });
    expect(await examine({ ...probe, ask: () => Promise.reject(failure) })).toMatchObject({
      health: 'unhealthy',
      detail: 'connect ECONNREFUSED',
    });
  });

  it('with nobody to ask is unhealthy when it is required, and absent otherwise', async () => {
    expect((await examine(probe)).health).toBe('unhealthy');
    expect((await examine({ ...probe, required: false })).health).toBe('absent');
  });
});

describe('a tool', () => {
  it('is told by its version, and by what else it says of it', async () => {
    const saying = (text: string): string => {
      const file = join(mkdtempSync(join(tmpdir(), 'tool-')), 'tool');
      writeFileSync(file, `#!/bin/sh\necho '${text}'\n`, { mode: 0o755 });
      return file;
    };
    const { signal } = new AbortController();
    expect(await askTool(saying('temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)'), { signal })).toEqual({
      version: '1.5.1',
      detail: 'Server 1.29.1, UI 2.42.1',
    });
    expect(await askTool(saying('tctl version 1.18.0'), { signal })).toEqual({
      version: '1.18.0',
      detail: '',
    });
    expect(await askTool(saying('what?'), { signal })).toMatchObject({ version: null });
  });

  it('does not see its user’s home: asking it leaves nothing there', async () => {
    const home = mkdtempSync(join(tmpdir(), 'home-'));
    const file = join(home, 'tool');
    writeFileSync(file, '#!/bin/sh\n: > "$HOME/left-behind"\necho version 1\n', { mode: 0o755 });
    expect(await askTool(file, { signal: new AbortController().signal }, home)).toMatchObject({
      version: '1',
    });
    expect(existsSync(join(home, 'left-behind'))).toBe(true);
  });
});

describe('an address', () => {
  it.each([
    ['postgres://user:secret@host:5432/db?password=secret', 'postgres://user@host:5432/db'],
    ['redis://:secret@host:6379', 'redis://host:6379'],
    ['amqp://guest:secret@[::1]:5672/', 'amqp://guest@[::1]:5672'],
    ['secret', 'an address that cannot be read'],
  ])('is shown without its password: %s', (url, shown) => {
    expect(withoutSecrets(url)).toBe(shown);
  });
});

describe('the machine', () => {
  it('needs Node 24', () => {
    expect(askNode('24.0.0').health).toBeUndefined();
    expect(askNode('20.19.1')).toMatchObject({ health: 'unhealthy', version: '20.19.1' });
  });

  it.each([
    [50e9, undefined],
    [1e9, 'attention'],
    [1e8, 'unhealthy'],
  ])('with %d bytes free is %s', (free, health) => {
    expect(judgeDisk(free, 100e9).health).toBe(health);
  });
});

describe('the report', () => {
  const healthy: Diagnosis = {
    ...probe,
    health: 'healthy',
    source: '.careforall',
    version: '1',
    detail: 'fine',
    fix: null,
  };
  const down: Diagnosis = { ...healthy, component: 'other', health: 'unhealthy', fix: 'start it' };

  it('is healthy while only what is optional is down, and says so', () => {
    const report = reportOf([healthy, { ...down, required: false }], null);
    expect(report).toMatchObject({
      healthy: true,
      summary: 'Everything that is required is healthy; look at other.',
    });
  });

  it('tells a stopped system from a sick one and from none', () => {
    expect(reportOf([healthy, down], null).summary).toContain('is not running: `npm start`');
    expect(reportOf([healthy, down], 4711).summary).toBe('Not healthy: other.');
    expect(reportOf([{ ...down, source: null }], null).summary).toMatch(/^No system was started here/);
    expect(reportOf([{ ...down, source: 'environment' }], null).summary).toBe('Not healthy: other.');
  });

  it('puts the remedy below what needs it, and obeys no control character', () => {
    const text = printReport(reportOf([healthy, { ...down, detail: 'x\u001B[2Jy' }], null));
    expect(text).toMatch(/✗ other.*\n.*→ start it/);
    expect(text).not.toContain('\u001B[2J');
  });
});

const doctorReport = z.object({
  healthy: z.boolean(),
  components: z.array(
    z.object({ component: z.string(), required: z.boolean(), health: z.string(), detail: z.string() }),
  ),
});

describe('the command', { timeout: 40_000 }, () => {
  let silent: Server;
  const sockets = new Set<Socket>();
  beforeAll(async () => {
    silent = createServer((socket) => {
      sockets.add(socket.on('error', () => undefined));
    });
    await new Promise<void>((resolve) => {
      silent.listen(0, '127.0.0.1', resolve);
    });
  });
  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  it('ends within seconds while every server is silent, and shows no password', async () => {
    const place = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const database = `postgres://role:hidden@${place}/name`;
    const startedAt = Date.now();
    const { code, stdout } = await doctor(['--json'], {
      DONATIONS_DATABASE_URL: database,
      PAYMENTS_DATABASE_URL: database,
      CAMPAIGNS_DATABASE_URL: database,
      NOTIFICATIONS_DATABASE_URL: database,
      AUTH_DATABASE_URL: database,
      REDIS_URL: `redis://:hidden@${place}`,
      RABBITMQ_URL: `amqp://guest:hidden@${place}`,
      TEMPORAL_ADDRESS: place,
      STRIPE_API_BASE: `http://${place}`,
      STRIPE_SECRET_KEY: 'sk_test_hidden',
      API_URL: `http://${place}`,
      WORKERS_URL: `http://${place}`,
      BACKGROUND_URL: `http://${place}`,
    });
    // One limit and the start of a process on a busy machine; one after the other they would need 39 s.
    expect(Date.now() - startedAt).toBeLessThan(25_000);
    expect(code).toBe(1);
    expect(stdout).not.toContain('hidden');
    const { healthy, components } = doctorReport.parse(JSON.parse(stdout));
    expect(healthy).toBe(false);
    const ofMachine = ['Node.js', 'disk', 'temporal CLI', 'tctl CLI'];
    expect(components.slice(0, 4).map(({ component }) => component)).toEqual(ofMachine);
    const ofSystem = components.filter(({ component }) => !ofMachine.includes(component));
    expect(ofSystem.map(({ component }) => component).toSorted()).toEqual(
      [
        'API',
        'PostgreSQL',
        'RabbitMQ',
        'Redis',
        'Temporal',
        'background',
        'database auth',
        'database campaigns',
        'database donations',
        'database notifications',
        'database payments',
        'payment provider',
        'task queue pollers',
        'workers',
      ].toSorted(),
    );
    expect(ofSystem.filter(({ health }) => health !== 'unhealthy')).toEqual([]);
  });

  it('says which variable is malformed', async () => {
    const { code, stdout } = await doctor([], { REDIS_URL: 'not a url' });
    expect(code).toBe(1);
    expect(stdout).toMatch(/✗ configuration .*REDIS_URL/);
    expect(stdout).toContain('Not healthy: configuration.');
  });

  it('is called wrongly with an option it does not know', async () => {
    expect((await doctor(['--fast'], {})).code).toBe(2);
  });
});

function doctor(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ code: number; stdout: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, 'doctor', ...args], { env }, (error, stdout) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout });
    });
  });
}
