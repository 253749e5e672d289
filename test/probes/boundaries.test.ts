import { cruise, type ICruiseOptions } from 'dependency-cruiser';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import config from '../../.dependency-cruiser.mjs';
import { createScratch, type Scratch } from './scratch.ts';

/** A tree that keeps every rule; the violations below import from it. */
const CLEAN: Readonly<Record<string, string>> = {
  'domain/money.ts': `export type Money = number;\nexport const one: Money = 1;`,
  'domain/totals.ts': `import { one } from './money.ts';\nexport const two = one + one;`,
  'workflows/ports.ts': `import type { Money } from '../domain/money.ts';\nexport type Port = Money;\nexport const PORT = 1;`,
  'workflows/messages.ts': `import { defineSignal } from '@temporalio/workflow';\nexport const signal = defineSignal('signal');`,
  'workflows/donation.ts': `import type { Payload } from '@temporalio/common';\nimport { sleep } from '@temporalio/workflow';\nimport { one } from '../domain/money.ts';\nexport type P = Payload;\nexport const donation = async () => sleep(one);`,
  'workflows/index.ts': `export { OpenTelemetryInboundInterceptor } from '@temporalio/interceptors-opentelemetry/lib/workflow';\nexport { donation } from './donation.ts';`,
  'platform/postgres.ts': `import { Pool } from 'pg';\nimport { one } from '../domain/money.ts';\nexport const pool = [Pool, one];`,
  'events/outbox.ts': `import { pool } from '../platform/postgres.ts';\nimport { one } from '../domain/money.ts';\nexport const outbox = [pool, one];`,
  'provider/port.ts': `import type { Money } from '../domain/money.ts';\nexport type Provider = Money;`,
  'provider/stripe/adapter.ts': `import Stripe from 'stripe';\nimport type { Provider } from '../port.ts';\nimport { one } from '../../domain/money.ts';\nexport const adapter: [unknown, Provider] = [Stripe, one];`,
  'provider/simulator/ledger.ts': `import { appendFile } from 'node:fs/promises';\nexport const ledger = appendFile;`,
  'provider/simulator/main.ts': `import { ledger } from './ledger.ts';\nawait ledger('', '');`,
  'prisma/payments/generated/client.ts': `import { inner } from './inner.ts';\nexport const client = () => inner;`,
  'prisma/payments/generated/inner.ts': `import { client } from './client.ts';\nexport const inner = () => client;`,
  'prisma/campaigns/generated/client.ts': `export const client = 1;`,
  'activities/payments/index.ts': `import { one } from '../../domain/money.ts';\nimport { outbox } from '../../events/outbox.ts';\nimport { pool } from '../../platform/postgres.ts';\nimport { client } from '../../prisma/payments/generated/client.ts';\nimport type { Provider } from '../../provider/port.ts';\nimport type { Port } from '../../workflows/ports.ts';\nexport const payments: unknown[] = [one, outbox, pool, client];\nexport type Both = Provider & Port;`,
  'activities/campaigns/index.ts': `export const campaigns = 1;`,
  'api/http/problem.ts': `export const problem = 1;`,
  'api/payments/router.ts': `import { client } from '../../prisma/payments/generated/client.ts';\nimport { adapter } from '../../provider/stripe/adapter.ts';\nimport type * as workflows from '../../workflows/index.ts';\nimport { signal } from '../../workflows/messages.ts';\nimport { problem } from '../http/problem.ts';\nexport type Donation = typeof workflows.donation;\nexport const router = [client, adapter, signal, problem];`,
  'api/payments/main.ts': `import { router } from './router.ts';\nexport const served = router;`,
  'api/campaigns/router.ts': `export const router = 1;`,
  'api/main.ts': `import { client } from '../prisma/campaigns/generated/client.ts';\nimport { router as campaigns } from './campaigns/router.ts';\nimport { router as payments } from './payments/router.ts';\nexport const all = [client, campaigns, payments];`,
  'workers/wiring.ts': `import { campaigns } from '../activities/campaigns/index.ts';\nimport { payments } from '../activities/payments/index.ts';\nexport const wiring = [campaigns, payments];`,
  'workers/all-in-one.ts': `import { wiring } from './wiring.ts';\nexport const all = wiring;`,
  'launch/paths.ts': `export const paths = 1;`,
  'launch/start.ts': `import { paths } from './paths.ts';\nexport const start = paths;`,
  'cli/main.ts': `import { paths } from '../launch/paths.ts';\nexport const main = paths;`,
  'test/harness/world.ts': `import { paths } from '../../launch/paths.ts';\nexport const world = paths;`,
  'test/unit/ledger.test.ts': `import { describe } from 'vitest';\nimport { ledger } from '../../provider/simulator/ledger.ts';\nimport { world } from '../harness/world.ts';\ndescribe('', () => [ledger, world]);`,
};

type Case = {
  readonly from: string;
  readonly imports: string;
  readonly rule: string;
  readonly typeOnly?: boolean;
};

const VIOLATIONS: readonly Case[] = [
  { from: 'domain', imports: 'node:crypto', rule: 'domain-imports-only-domain' },
  { from: 'domain', imports: 'zod', rule: 'domain-imports-only-domain' },
  { from: 'domain', imports: '../platform/postgres.ts', rule: 'domain-imports-only-domain', typeOnly: true },
  { from: 'domain', imports: '../workflows/ports.ts', rule: 'domain-imports-only-domain', typeOnly: true },
  { from: 'workflows', imports: 'node:timers/promises', rule: 'workflows-import-only-domain-and-temporal' },
  { from: 'workflows', imports: 'zod', rule: 'workflows-import-only-domain-and-temporal' },
  { from: 'workflows', imports: '@temporalio/client', rule: 'workflows-import-only-domain-and-temporal' },
  {
    from: 'workflows',
    imports: '@temporalio/activity',
    rule: 'workflows-import-only-domain-and-temporal',
    typeOnly: true,
  },
  {
    from: 'workflows',
    imports: '../activities/payments/index.ts',
    rule: 'workflows-import-only-domain-and-temporal',
    typeOnly: true,
  },
  { from: 'workflows', imports: '../events/outbox.ts', rule: 'workflows-import-only-domain-and-temporal' },
  {
    from: 'workflows',
    imports: '@temporalio/interceptors-opentelemetry',
    rule: 'workflows-import-only-domain-and-temporal',
  },
  { from: 'workflows', imports: '@temporalio/common', rule: 'workflows-take-only-types-of-common' },
  {
    from: 'workflows',
    imports: '@temporalio/interceptors-opentelemetry/lib/workflow',
    rule: 'workflow-interceptors-are-registered-in-one-file',
  },
  {
    from: 'activities/payments',
    imports: '../../api/http/problem.ts',
    rule: 'activities-use-ports-and-platform',
  },
  {
    from: 'activities/payments',
    imports: '../../workflows/donation.ts',
    rule: 'activities-use-ports-and-platform',
    typeOnly: true,
  },
  {
    from: 'activities/payments',
    imports: '../../provider/stripe/adapter.ts',
    rule: 'activities-use-ports-and-platform',
  },
  {
    from: 'activities/payments',
    imports: '../../workflows/ports.ts',
    rule: 'activities-take-only-types-of-ports',
  },
  {
    from: 'api/payments',
    imports: '../../activities/payments/index.ts',
    rule: 'api-uses-names-of-workflows',
  },
  {
    from: 'api/payments',
    imports: '../../workflows/donation.ts',
    rule: 'api-uses-names-of-workflows',
    typeOnly: true,
  },
  { from: 'api/payments', imports: '../../workflows/index.ts', rule: 'api-takes-only-types-of-workflows' },
  { from: 'api/payments', imports: '../campaigns/router.ts', rule: 'services-stay-apart' },
  {
    from: 'activities/payments',
    imports: '../campaigns/index.ts',
    rule: 'services-stay-apart',
    typeOnly: true,
  },
  { from: 'api/http', imports: '../payments/router.ts', rule: 'shared-api-code-knows-no-service' },
  {
    from: 'api/payments',
    imports: '../../prisma/campaigns/generated/client.ts',
    rule: 'prisma-client-belongs-to-its-service',
  },
  {
    from: 'activities/payments',
    imports: '../../prisma/campaigns/generated/client.ts',
    rule: 'prisma-client-belongs-to-its-service',
    typeOnly: true,
  },
  {
    from: 'events',
    imports: '../prisma/payments/generated/client.ts',
    rule: 'prisma-client-is-reached-through-its-service',
  },
  {
    from: 'cli',
    imports: '../prisma/payments/generated/client.ts',
    rule: 'prisma-client-is-reached-through-its-service',
  },
  {
    from: 'provider/simulator',
    imports: '../../domain/money.ts',
    rule: 'simulator-is-an-independent-witness',
  },
  {
    from: 'provider/simulator',
    imports: '../port.ts',
    rule: 'simulator-is-an-independent-witness',
    typeOnly: true,
  },
  { from: 'workers', imports: '../provider/simulator/ledger.ts', rule: 'simulator-is-spawned-not-imported' },
  {
    from: 'provider/stripe',
    imports: '../../platform/postgres.ts',
    rule: 'stripe-adapter-knows-port-and-domain',
  },
  { from: 'events', imports: '../api/http/problem.ts', rule: 'events-know-domain-and-platform' },
  { from: 'platform', imports: '../events/outbox.ts', rule: 'platform-knows-only-domain' },
  { from: 'platform', imports: '../provider/port.ts', rule: 'platform-knows-only-domain', typeOnly: true },
  { from: 'workers', imports: '../test/harness/world.ts', rule: 'only-tests-import-tests' },
  { from: 'cli', imports: '../api/main.ts', rule: 'nobody-imports-composition-roots' },
  { from: 'test/harness', imports: '../../api/payments/main.ts', rule: 'nobody-imports-composition-roots' },
  {
    from: 'test/harness',
    imports: '../../provider/simulator/main.ts',
    rule: 'nobody-imports-composition-roots',
  },
  { from: 'workers', imports: './all-in-one.ts', rule: 'nobody-imports-composition-roots' },
  { from: 'test/harness', imports: '../../launch/start.ts', rule: 'nobody-imports-composition-roots' },
  { from: 'cli', imports: '../workers/wiring.ts', rule: 'workers-are-reached-by-workers-only' },
  { from: 'workers', imports: '../launch/paths.ts', rule: 'launch-is-reached-by-tools-only' },
  { from: 'provider/port', imports: '../../platform/postgres.ts', rule: 'provider-port-knows-domain' },
  { from: 'workers/left.ts', imports: './right.ts', rule: 'no-cycles', typeOnly: true },
  { from: 'platform', imports: './absent.ts', rule: 'no-unresolvable' },
  { from: 'platform', imports: 'acorn', rule: 'no-undeclared-packages' },
  { from: 'platform', imports: 'fast-check', rule: 'production-needs-no-dev-package' },
];

/** The other half of the cycle above. */
const RIGHT = {
  'workers/right.ts': `import type { It } from './left.ts';\nexport const right = (): It | undefined => undefined;`,
};

const violationFile = ({ from }: Case, index: number): string =>
  from.endsWith('.ts') ? from : `${from}/violation-${index}.ts`;

function violationSource({ imports, typeOnly }: Case): string {
  return typeOnly === true
    ? `import type * as it from '${imports}';\nexport type It = typeof it;`
    : `import * as it from '${imports}';\nexport const found = it;`;
}

describe('folder boundaries', () => {
  let scratch: Scratch;
  let rulesByFile: Map<string, Set<string>>;

  beforeAll(async () => {
    scratch = await createScratch({
      ...CLEAN,
      ...Object.fromEntries(
        VIOLATIONS.map((violation, index) => [violationFile(violation, index), violationSource(violation)]),
      ),
      ...RIGHT,
    });
    rulesByFile = await violationsIn(scratch.path);
  });

  afterAll(async () => scratch[Symbol.asyncDispose]());

  it('lets a tree that keeps them pass', () => {
    expect(Object.keys(CLEAN).filter((file) => rulesByFile.has(file))).toEqual([]);
  });

  it('has a violation for every rule', () => {
    const rules = (config.forbidden ?? []).map(({ name }) => name ?? '');
    expect([...new Set(VIOLATIONS.map(({ rule }) => rule))].toSorted()).toEqual(rules.toSorted());
  });

  it.each(VIOLATIONS.map((violation, index) => ({ ...violation, index })))(
    'refuses that $from imports $imports: $rule',
    (violation) => {
      expect([...(rulesByFile.get(violationFile(violation, violation.index)) ?? [])]).toContain(
        violation.rule,
      );
    },
  );
});

async function violationsIn(baseDir: string): Promise<Map<string, Set<string>>> {
  const options: ICruiseOptions = {
    ...config.options,
    baseDir,
    validate: true,
    ruleSet: { forbidden: config.forbidden ?? [] },
  };
  const { output } = await cruise(['.'], options);
  if (typeof output === 'string') throw new TypeError('a result was expected, not a text');
  const found = new Map<string, Set<string>>();
  for (const { from, rule } of output.summary.violations) {
    found.set(from, (found.get(from) ?? new Set()).add(rule.name));
  }
  return found;
}
