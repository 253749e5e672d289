/** docker-compose.yml: each service's own command and environment, as processes of this machine, behind the real Nginx. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { presentTemporalBinary } from '../../launch/components/temporal-binary.ts';
import { startNode, type RunningNode } from '../../launch/node-program.ts';
import { neutralEnvironment, searchPath } from '../../launch/options.ts';
import { ensureDirectory, ROOT } from '../../launch/paths.ts';
import { LOOPBACK } from '../../launch/ports.ts';
import { clearRabbitmq, clearRedis } from '../../launch/shared-servers.ts';
import { dropDatabases } from '../../platform/migrate.ts';
import { productionProblems } from '../../platform/production.ts';
import { SEARCH_ATTRIBUTES } from '../../platform/search-attributes.ts';
import { testComponents } from '../harness/components.ts';
import { eventually } from '../harness/eventually.ts';
import { chooseDoorPorts, startDoor, type Door, type DoorPorts } from '../harness/nginx.ts';
import { freePorts } from '../harness/stack-apis.ts';
import { uniquePrefix } from '../harness/stack-databases.ts';
import { json, send } from '../integration/api/http-client.ts';
import { buildImage, readCompose, writeSecrets, type ComposeService, type Image } from './compose-file.ts';
import { bearer, donateCall, JSON_TYPE } from './fronts.ts';

const components = testComponents();
const directory = ensureDirectory(join(components.runDirectory, 'compose'));
const envFile = writeSecrets(directory);
const services = readCompose(envFile);
const ours = Object.entries(services).filter(([, { image }]) => image.startsWith('careforall:'));

describe('the file', () => {
  test('is refused by Compose without the secrets, and names the first that is missing', () => {
    const empty = join(directory, 'empty.env');
    writeFileSync(empty, '');
    expect(() => readCompose(empty)).toThrow(/required variable [A-Z_]+ is missing a value/);
  });

  test('needs exactly the variables that .env.example has', () => {
    const text = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8');
    const needed = new Set([...text.matchAll(/\$\{([A-Z_]+):\?\}/g)].map(([, name]) => name));
    const example = readFileSync(join(ROOT, '.env.example'), 'utf8');
    const empty = [...example.matchAll(/^([A-Z_]+)=$/gm)].map(([, name]) => name);
    expect(new Set(empty)).toEqual(needed);
  });

  test('can be had with TLS', () => {
    expect(Object.keys(readCompose(envFile, 'ops/compose/tls.yml'))).toEqual(Object.keys(services));
  });

  test('gives no API and no worker another service’s database, and nobody but the migration the administrator’s', () => {
    const reaches = ours.map(([name, { environment }]) => [
      name,
      Object.keys(environment).filter((variable) => /_DATABASE_URL$|^POSTGRES_URL$/.test(variable)),
    ]);
    const several = new Set(['background', 'migrate', 'simulator']);
    for (const [name, variables] of reaches as [string, string[]][]) {
      if (several.has(name)) continue;
      expect(variables).toEqual([`${name.replace('-worker', '').toUpperCase()}_DATABASE_URL`]);
    }
    const administrators = ours.filter(([, { environment }]) => 'POSTGRES_URL' in environment);
    expect(administrators.map(([name]) => name)).toEqual(['migrate']);
  });

  test('runs the server of Temporal that the tests run, two donations APIs, and its tools with tctl', () => {
    const tested = /go\.temporal\.io\/server v(\S+)/.exec(
      readFileSync(join(ROOT, 'tools', 'go.mod'), 'utf8'),
    )?.[1];
    expect(services['temporal']?.image).toBe(`temporalio/server:${tested ?? ''}`);
    expect(services['donations']?.deploy?.replicas).toBe(2);
    expect(services['temporal-tools']?.image).toContain('tctl');
  });
});

describe('the stack', () => {
  const prefix = uniquePrefix();
  const running: RunningNode[] = [];
  /** Of each service, where its processes are. */
  const addresses = new Map<string, string[]>();
  let image: Image;
  let door: Door | undefined;
  let doorPorts: DoorPorts;

  beforeAll(async () => {
    image = buildImage(join(directory, 'image'));
    doorPorts = await chooseDoorPorts();
    for (const [name, { deploy }] of ours) {
      const ports = await freePorts(deploy?.replicas ?? 1);
      addresses.set(
        name,
        ports.map((port) => `${LOOPBACK}:${port}`),
      );
    }
    // Each of the one-shots a second time: `docker compose up` runs them again.
    for (let time = 0; time < 2; time += 1) {
      runToEnd('migrate');
      makeNamespace();
    }
    await Promise.all(['simulator', 'auth', 'campaigns', 'payments', 'donations'].map(start));
    await Promise.all(['background', 'donations-worker', 'payments-worker', 'campaigns-worker'].map(start));
    door = await startDoor({
      directory,
      ports: doorPorts,
      upstreams: Object.fromEntries(
        (['auth', 'campaigns', 'donations', 'payments'] as const).map((name) => [
          name,
          addresses.get(name) ?? [],
        ]),
      ),
    });
  }, 420_000);
  afterAll(async () => {
    await door?.stop();
    await Promise.all(running.map((each) => each.stop()));
    await clearRedis(components.redisUrl ?? '', prefix).catch(() => undefined);
    await clearRabbitmq(components.rabbitmqUrl ?? '', prefix).catch(() => undefined);
    await dropDatabases({ adminUrl: components.postgresUrl, prefix });
  }, 60_000);

  /** The harness' servers stand in for PostgreSQL, Redis, RabbitMQ and Temporal; all else is as the file has it. */
  function environmentOf(name: string, own: string): Record<string, string> {
    const given = { ...image.environment, ...serviceOf(name).environment };
    const standIns: Readonly<Record<string, string>> = {
      POSTGRES_URL: components.postgresUrl,
      REDIS_URL: components.redisUrl ?? '',
      RABBITMQ_URL: components.rabbitmqUrl ?? '',
      TEMPORAL_ADDRESS: components.temporalAddress,
      TEMPORAL_NAMESPACE: prefix,
      NAME_PREFIX: prefix,
      TRUSTED_PROXIES: LOOPBACK,
      SIMULATOR_LEDGER: join(directory, 'ledger.jsonl'),
      // Shared by every run of this machine, and without a password worth the name.
      NODE_ENV: 'development',
    };
    const port = own.split(':')[1] ?? '';
    const entries = Object.entries(given).map(([variable, value]) => {
      const text = value ?? '';
      if (variable in standIns) return [variable, standIns[variable] ?? ''] as const;
      if (/^(?:OPS_|SIMULATOR_)?PORT$/.test(variable)) return [variable, port] as const;
      if (/^(?:SIMULATOR_)?HOST$/.test(variable)) return [variable, LOOPBACK] as const;
      return [variable, onThisMachine(text)] as const;
    });
    return Object.fromEntries(entries);
  }

  function onThisMachine(value: string): string {
    const postgres = new URL(components.postgresUrl).host;
    const databases = value
      .replace('@postgres:5432/careforall_', `@${postgres}/${prefix}_`)
      .replace('//careforall_', `//${prefix}_`);
    return databases.replace(/\/\/([a-z-]+):8080/g, (whole, host: string) => {
      if (host === 'nginx') return `//${LOOPBACK}:${doorPorts.public}`;
      const [first] = addresses.get(host) ?? [];
      return first === undefined ? whole : `//${first}`;
    });
  }

  function serviceOf(name: string): ComposeService {
    const service = services[name];
    if (service === undefined) throw new Error(`docker-compose.yml has no ${name}`);
    return service;
  }

  function scriptOf(name: string): string {
    const [program, script = '', ...more] = serviceOf(name).command ?? [];
    if (program !== 'node' || more.length > 0) throw new Error(`${name} is not "node <script>"`);
    return join(image.directory, script);
  }

  async function start(name: string): Promise<void> {
    await Promise.all(
      (addresses.get(name) ?? []).map(async (own, index) => {
        const started = await startNode({
          name: `${name} ${index}`,
          script: scriptOf(name),
          env: { ...neutralEnvironment(), ...environmentOf(name, own) },
          logFile: join(directory, `${name}-${index}.log`),
          readyLimitMs: 120_000,
        });
        running.push(started);
      }),
    );
  }

  function runToEnd(name: string, args: readonly string[] = [scriptOf(name)]): string {
    const env = { ...neutralEnvironment(), ...environmentOf(name, addresses.get(name)?.[0] ?? '') };
    return execFileSync(process.execPath, args, {
      env,
      cwd: image.directory,
      encoding: 'utf8',
      stdio: 'pipe',
    });
  }

  function makeNamespace(): void {
    const temporal = presentTemporalBinary();
    if (temporal === undefined) throw new Error('there is no Temporal CLI');
    execFileSync('sh', [join(ROOT, 'ops', 'temporal', 'namespace.sh')], {
      stdio: 'pipe',
      env: {
        ...neutralEnvironment(),
        PATH: `${dirname(temporal)}${delimiter}${searchPath()}`,
        TEMPORAL_ADDRESS: components.temporalAddress,
        TEMPORAL_NAMESPACE: prefix,
      },
    });
  }

  test('may start in production: no service of ours is refused its own environment, and without that it would be', () => {
    const checked = ours.map(([name, { environment }]) => {
      const given = { ...image.environment, ...environment };
      expect(given['NODE_ENV']).toBe('production');
      const own = Object.fromEntries(Object.entries(given).map(([key, value]) => [key, value ?? undefined]));
      return [name, productionProblems(own)];
    });
    expect(checked).toEqual(ours.map(([name]) => [name, []]));
    const { STRIPE_SECRET_KEY: key, STRIPE_API_BASE: base } = services['payments']?.environment ?? {};
    expect(
      productionProblems({ STRIPE_SECRET_KEY: String(key), STRIPE_API_BASE: String(base) }),
    ).toHaveLength(2);
  });

  test('has the search attributes that donations are found by', async () => {
    const connection = await Connection.connect({ address: components.temporalAddress });
    const { customAttributes } = await new Client({
      connection,
    }).connection.operatorService.listSearchAttributes({
      namespace: prefix,
    });
    await connection.close();
    expect(Object.keys(customAttributes ?? {}).toSorted()).toEqual(Object.keys(SEARCH_ATTRIBUTES).toSorted());
  });

  test('is healthy by the image’s own check, every service of it', async () => {
    for (const [name, own] of addresses) {
      if (name === 'migrate') continue;
      const path = name === 'simulator' ? '/_simulator/dials' : '/livez';
      for (const address of own) expect((await fetch(`http://${address}${path}`)).status).toBe(200);
    }
  });

  test('takes a donation through the door, captures it and counts it, and every book agrees', async () => {
    const email = `${randomUUID()}@example.org`;
    const made = runToEnd('auth', ['cli/main.ts', 'operator', 'create', '--email', email]);
    const password = /Password: (\S+)/.exec(made)?.[1] ?? '';
    const login = await send(doorPorts.public, {
      method: 'POST',
      path: '/auth/login',
      headers: [JSON_TYPE],
      body: JSON.stringify({ email, password }),
    });
    expect(login.status).toBe(200);
    const operator = bearer((json(login) as { accessToken: string }).accessToken);

    const campaign = await send(doorPorts.public, {
      method: 'POST',
      path: '/campaigns',
      headers: [JSON_TYPE, operator, ['Idempotency-Key', randomUUID()]],
      body: JSON.stringify({ title: 'Wells', currency: 'USD', status: 'open' }),
    });
    expect(campaign.status).toBe(201);
    const campaignId = (json(campaign) as { id: string }).id;
    const accepted = await send(doorPorts.public, donateCall(campaignId, randomUUID()));
    expect(accepted.status).toBe(202);
    const { id, donorToken } = json(accepted) as { id: string; donorToken: string };

    await eventually(
      'the donation is captured',
      async () => {
        const answer = await send(doorPorts.public, {
          path: `/donations/${id}`,
          headers: [bearer(donorToken)],
        });
        expect(json(answer)).toMatchObject({ status: 'CAPTURED' });
      },
      { withinMs: 60_000 },
    );
    await eventually('the total says so', async () => {
      const total = await send(doorPorts.public, { path: `/campaigns/${campaignId}/total` });
      expect(json(total)).toMatchObject({ totalCaptured: 2500, donationCount: 1 });
    });
    await eventually(
      'the audit is clean',
      () =>
        expect(runToEnd('background', ['cli/main.ts', 'audit', '--settle', '0'])).toMatch(
          /^0 discrepancies over 1 /m,
        ),
      { withinMs: 60_000, everyMs: 1_000 },
    );
    expect((await send(doorPorts.operators, { path: '/admin/reviews', headers: [operator] })).status).toBe(
      200,
    );
  });
});
