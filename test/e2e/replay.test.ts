// A reset finishes what has failed and repeats nothing: with `careforall replay`, with the real `temporal` and with the
// real `tctl`. The commands are those of docs/runbooks/replay.md, typed as they stand there.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { obtainTctlBinary } from '../../launch/components/tctl-binary.ts';
import { ROOT } from '../../launch/paths.ts';
import { eventually } from '../harness/eventually.ts';
import { startStack, type Stack } from '../harness/stack.ts';
import { expectBooksToBalance, expectChargedOnce, untilAtRest, untilEnded } from './books.ts';
import { everything } from './everything.ts';
import { createCampaign, DECLINED_CARD, give, giveMany, readDonation, type Given } from './giving.ts';
import { listen, writtenEvents } from './listener.ts';
import { run, type Ended } from './readme-checkout.ts';
import { openRunbook } from './runbook.ts';

const MANY = 50;
const FOR_EVER = 1_000_000;
const FAILED = `NeedsAttention = true AND ExecutionStatus = 'Failed'`;

const report = z.object({
  done: z.number(),
  superseded: z.number(),
  workflows: z.array(
    z.object({
      workflowId: z.string(),
      status: z.string().nullable(),
      action: z.string(),
      why: z.string().nullable(),
      newRunId: z.string().nullable(),
      ended: z.object({ status: z.string(), result: z.unknown(), reason: z.string().nullable() }).nullable(),
    }),
  ),
});

let stack: Stack;
const runbook = openRunbook('docs/runbooks/replay.md', environment);
/** One campaign for each way to replay many, so that a query can tell them apart. */
const campaigns = { single: '', ours: '', batch: '', tctl: '' };
const failed: Record<keyof typeof campaigns, Given[]> = { single: [], ours: [], batch: [], tctl: [] };
/** Was in flight when the provider began to refuse the key: it has a payment, and its failure is an activity's. */
let caught: Given;

beforeAll(async () => {
  await obtainTctlBinary({ note: () => undefined });
  stack = await startStack({
    apis: 1,
    policy: { retryInitialMs: 100, retryMaxMs: 300, sweepAfterMs: 300, quietAfterOperationMs: 100 },
  });
  for (const name of keysOf(campaigns)) campaigns[name] = await createCampaign(stack);
  await stack.simulator.arm({ operation: 'confirm', fault: 'error503', times: FOR_EVER });
  caught = await give(stack, { campaignId: campaigns.single, amount: 700 });
  await untilTried(caught, 'confirm');
  await stack.restart('workers', 0, { STRIPE_SECRET_KEY: 'sk_test_of_somebody_else' });
  await stack.simulator.reset();
  failed.single = await giveMany(stack, campaigns.single, 7);
  failed.ours = await giveMany(stack, campaigns.ours, MANY);
  failed.batch = await giveMany(stack, campaigns.batch, MANY);
  failed.tctl = await giveMany(stack, campaigns.tctl, 10);
  const all = 1 + Object.values(failed).flat().length;
  await eventually(
    'every saga has failed',
    async () => {
      const count = await countOf(FAILED);
      if (count !== all) throw new Error(`${count} of ${all}`);
    },
    { withinMs: 60_000 },
  );
});
afterAll(() => stack.stop());

describe('while the provider refuses our key', () => {
  test('each saga is found as one that needs attention, by each tool, and nothing happened at the provider', async () => {
    const listed = await runbook.type(/^npm run temporal -- workflow list/);
    expect(listed).toMatchObject({ code: 0 });
    expect(listed.stdout).toContain(`donation/${single(0).id}`);
    const listedByTctl = await runbook.type(/^npm run tctl -- workflow list/);
    expect(listedByTctl).toMatchObject({ code: 0 });
    // The first page of them.
    const ids = [...listedByTctl.stdout.matchAll(/donation\/([0-9a-f-]{36})/g)].map(([, id]) => id);
    const everyFailed = Object.values(failed).flat();
    expect(ids.length).toBeGreaterThan(0);
    expect(ids.filter((id) => ![caught, ...everyFailed].some((gift) => gift.id === id))).toEqual([]);

    const wouldBe = await runbook.type(/-- replay .* --dry-run$/);
    expect(wouldBe).toMatchObject({ code: 0 });
    expect(wouldBe.stdout).toContain(
      `${everyFailed.length + 1} workflows would be replayed; nothing was done.`,
    );
    expect(wouldBe.stdout.match(/^donation\/\S+ +FAILED +would be reset$/gm)).toHaveLength(
      everyFailed.length + 1,
    );
    expect((await stack.simulator.ledger()).map(({ donationId }) => donationId)).toEqual([caught.id]);
    expect((await readDonation(stack.apiUrl, single(0))).status).toBe('INITIATED');
  });

  test('the tools answer with their own output and exit code, and what is passed to them wins', async () => {
    const counted = await tool(`temporal -- workflow count --query "${FAILED}"`);
    expect(counted).toMatchObject({ code: 0, stdout: `Total: ${1 + Object.values(failed).flat().length}\n` });
    const elsewhere = await tool('temporal -- workflow count --namespace nowhere');
    expect(elsewhere).toMatchObject({ code: 1, stdout: '' });
    expect(elsewhere.output).toMatch(/nowhere.* not found/i);
    const described = await tool(`tctl -- workflow describe --workflow_id donation/${single(0).id}`);
    expect(described.code).toBe(0);
    expect(JSON.parse(described.stdout)).toMatchObject({
      workflowExecutionInfo: { status: 'Failed', execution: { workflowId: `donation/${single(0).id}` } },
    });
    const unknown = await tool('tctl -- workflow describe --workflow_id donation/none');
    expect(unknown.stdout).toContain('workflow not found');
    expect(unknown.code).toBe(1);
  });

  test('looking at one shows the refusal, in its story and in its history', async () => {
    const story = await runbook.type(/-- watch ID$/, { ID: single(0).id });
    expect(story).toMatchObject({ code: 0 });
    expect(story.stdout).toContain('workflow FAILED');
    const history = await runbook.type(/workflow show/, { ID: single(0).id });
    expect(history).toMatchObject({ code: 0 });
    expect(history.stdout).toContain('WorkflowExecutionFailed');
    expect(await runbook.type(/-- doctor$/)).toMatchObject({ code: 0 });
  });

  test('a replay fails again, says so and ends with 1', async () => {
    const { code, stdout } = await careforall(`replay ${single(0).id} --wait`);
    expect(stdout).toMatch(
      new RegExp(`^donation/${single(0).id}  FAILED  reset, now run \\S+: FAILED \\(`, 'm'),
    );
    expect(stdout).toContain('1 workflow replayed, 0 completed.');
    expect(code).toBe(1);
  });
});

describe('once the key is right again', () => {
  beforeAll(() =>
    stack.restart('workers', 0, { STRIPE_SECRET_KEY: environment()['STRIPE_SECRET_KEY'] ?? '' }),
  );

  test('a reset to LastWorkflowTask takes the recorded failure along and fails at once', async () => {
    const { runId } = await workflow(caught).describe();
    const { code, output } = await runbook.type(/--type LastWorkflowTask/, { ID: caught.id });
    expect(code, output).toBe(0);
    await expect(workflow(caught).result()).rejects.toThrow('Workflow execution failed');
    expect((await workflow(caught).describe()).runId).not.toBe(runId);
    expect(
      (await stack.simulator.ledger()).filter(({ donationId }) => donationId === caught.id),
    ).toHaveLength(1);
  });

  test('careforall replay finishes one, with one effect, and says how it ended', async () => {
    const { code, stdout, output } = await runbook.type(/-- replay ID --wait/, { ID: single(0).id });
    expect(code, output).toBe(0);
    expect(stdout).toMatch(
      new RegExp(`^donation/${single(0).id}  FAILED  reset, now run \\S+: COMPLETED, CAPTURED v2$`, 'm'),
    );
    await expectFinished([single(0)]);
  });

  test('temporal workflow reset finishes one, with one effect', async () => {
    const { code, output } = await runbook.type(
      /temporal -- workflow reset --workflow-id .*FirstWorkflowTask/,
      {
        ID: single(1).id,
      },
    );
    expect(code, output).toBe(0);
    await expectFinished([single(1)]);
  });

  test('tctl workflow reset finishes one, with one effect', async () => {
    const { code, output } = await runbook.type(/tctl -- workflow reset --workflow_id/, { ID: single(2).id });
    expect(code, output).toBe(0);
    await expectFinished([single(2)]);
  });

  test('one is replayed by its key or its payment, as it is found', async () => {
    const { rows } = await stack.pools.donations.query<{ key: string }>(
      'SELECT idempotency_key AS key FROM donation_requests WHERE id = $1',
      [single(3).id],
    );
    for (const [text, { id }] of [
      [rows[0]?.key ?? '', single(3)],
      [await paymentOf(caught), caught],
    ] as const) {
      const { code, said } = await replayJson(`${text} --wait`);
      expect(said.workflows, text).toMatchObject([
        { workflowId: `donation/${id}`, ended: { status: 'COMPLETED' } },
      ]);
      expect(code).toBe(0);
    }
    await expectFinished([single(3), caught]);
  });

  test('one whose workflow is gone from Temporal is started again', async () => {
    await forget(single(4));
    const { code, said } = await replayJson(`donation/${single(4).id} --wait`);
    expect(said.workflows).toMatchObject([
      { status: null, action: 'start again', ended: { status: 'COMPLETED', result: { status: 'CAPTURED' } } },
    ]);
    expect(code).toBe(0);
    await expectFinished([single(4)]);
  });

  test('what nobody knows is not replayed, and nothing is done', async () => {
    for (const text of ['00000000-0000-8000-8000-000000000001', `aftercare/${single(5).id}`]) {
      const { code, said } = await replayJson(text);
      expect({ text, code, done: said.done }).toEqual({ text, code: 1, done: 0 });
    }
    const refused = await careforall('replay --query "no query"');
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.output).toContain('invalid query');
  });

  test('more than one is not replayed without a terminal, until --yes is said', async () => {
    const both = [single(5), single(6)];
    const query = `"${FAILED} AND CampaignId = '${campaigns.single}'"`;
    const refused = await careforall(`replay --query ${query}`);
    expect(refused.output).toContain('Nothing was replayed: 2 workflows would be');
    expect(refused.code).toBe(2);
    for (const gift of both) expect((await workflow(gift).describe()).status.name).toBe('FAILED');

    const { code, said } = await replayJson(`--query ${query} --yes`);
    expect(said).toMatchObject({ done: 2, workflows: [{ action: 'reset' }, { action: 'reset' }] });
    expect(code).toBe(0);
    await expectFinished(both);
  });

  test('careforall replay --query finishes fifty, each with one effect, and finds nothing left to do', async () => {
    const [pattern, names] = [/-- replay --query .* --yes/, { CAMPAIGN: campaigns.ours }] as const;
    const { code, stdout, output } = await runbook.type(pattern, names);
    expect(code, output).toBe(0);
    expect(stdout).toContain(`${MANY} workflows replayed, ${MANY} completed.`);
    await expectFinished(failed.ours);
    const again = await runbook.type(pattern, names);
    expect(again.stdout).toContain(`${MANY} workflows among the matches has a newer run by now.`);
    expect(again.code).toBe(1);
  });

  test('a batch job of temporal finishes fifty at once, each with one effect', async () => {
    const started = await runbook.type(/temporal -- workflow reset --query/, { CAMPAIGN: campaigns.batch });
    expect(started.code, started.output).toBe(0);
    const [, job = ''] = /job ID: (\S+)/i.exec(started.output) ?? [];
    await eventually(
      'the batch job is complete',
      async () => {
        const { stdout } = await runbook.type(/batch describe/, { JOB: job });
        expect(stdout).toMatch(/^ *State +Completed/m);
        expect(stdout).toMatch(new RegExp(`^ *CompletedCount +${MANY}/${MANY}`, 'm'));
      },
      { withinMs: 45_000, everyMs: 500 },
    );
    await expectFinished(failed.batch);
  });

  test('tctl workflow reset-batch finishes ten, each with one effect, and skips them when it is called again', async () => {
    const pattern = /tctl -- workflow reset-batch/;
    const names = { CAMPAIGN: campaigns.tctl };
    const { code, output } = await runbook.type(pattern, names);
    expect(code, output).toBe(0);
    expect(output).not.toContain('[ERROR]');
    await expectFinished(failed.tctl);
    const runs = await runIdsOf(failed.tctl);
    expect(await runbook.type(pattern, names)).toMatchObject({ code: 0 });
    expect(await runIdsOf(failed.tctl)).toEqual(runs);
  });

  describe('a reset', () => {
    const TOOLS = [
      ['careforall', /-- replay ID --wait/],
      ['temporal', /temporal -- workflow reset --workflow-id .*FirstWorkflowTask/],
      ['tctl', /tctl -- workflow reset --workflow_id/],
    ] as const;

    test('of a completed donation has no second effect anywhere, whichever tool does it', async () => {
      await using listener = await listen(stack);
      const campaignId = await createCampaign(stack);
      const gift = await give(stack, { campaignId, amount: 4_200 });
      await untilEnded(stack, [gift]);
      await untilAtRest(stack);
      const before = await everything(stack);
      const runs = new Set([(await workflow(gift).describe()).runId]);
      for (const [name, pattern] of TOOLS) {
        const { code, output } = await runbook.type(pattern, { ID: gift.id });
        expect({ name, code }, output).toEqual({ name, code: 0 });
        expect(await workflow(gift).result()).toMatchObject({ status: 'CAPTURED' });
        runs.add((await workflow(gift).describe()).runId);
      }
      expect(runs.size).toBe(1 + TOOLS.length);
      await untilAtRest(stack);
      expect(await everything(stack)).toEqual(before);
      const mine = (await writtenEvents(stack)).filter((id) => listener.heard.has(id));
      expect(mine.length).toBeGreaterThan(2);
      expect(mine.map((id) => listener.heard.get(id))).toEqual(mine.map(() => 1));
      await expectBooksToBalance(stack, campaignId, [gift]);
    });

    test('of a declined donation leaves it FAILED, with one decline at the provider', async () => {
      const campaignId = await createCampaign(stack);
      const gift = await give(stack, { campaignId, amount: 300, paymentMethod: DECLINED_CARD });
      await untilEnded(stack, [gift]);
      await untilAtRest(stack);
      const before = await everything(stack);
      const { runId } = await workflow(gift).describe();
      expect(await runbook.type(TOOLS[1][1], { ID: gift.id })).toMatchObject({ code: 0 });
      expect(await workflow(gift).result()).toMatchObject({ status: 'FAILED' });
      expect((await workflow(gift).describe()).runId).not.toBe(runId);
      await untilAtRest(stack);
      expect(await everything(stack)).toEqual(before);
      await expectChargedOnce(stack, [gift]);
    });

    test('of a running donation is refused unless it is asked for; it keeps the signals and drops an operator’s cancel', async () => {
      const campaignId = await createCampaign(stack);
      for (const operation of ['confirm', 'cancel'] as const)
        await stack.simulator.arm({ operation, fault: 'error503', times: FOR_EVER });
      const gift = await give(stack, { campaignId, amount: 500 });
      await untilTried(gift, 'confirm');
      await tell(gift, await eventOf(gift));
      await workflow(gift).cancel();
      await untilTried(gift, 'release');
      const { runId } = await workflow(gift).describe();

      const refused = await replayJson(gift.id);
      expect(refused).toMatchObject({
        code: 1,
        said: { done: 0, workflows: [{ status: 'RUNNING', action: 'leave' }] },
      });
      expect((await workflow(gift).describe()).runId).toBe(runId);

      expect(await replayJson(`${gift.id} --even-if-running`)).toMatchObject({ code: 0, said: { done: 1 } });
      await stack.simulator.reset();
      await expectFinished([gift]);
      const { events } = await workflow(gift).fetchHistory();
      expect(events?.filter((event) => event.workflowExecutionSignaledEventAttributes != null)).toHaveLength(
        1,
      );
    });
  });
});

test('in the end every cent is accounted for, and the runbook was typed from end to end', async () => {
  await expectChargedOnce(stack, [caught, ...Object.values(failed).flat()]);
  await expectBooksToBalance(stack, campaigns.batch, failed.batch);
  const { code, stdout } = await runbook.type(/-- audit$/);
  expect(stdout).toMatch(/^0 discrepancies over [1-9]\d* donations /m);
  expect(code).toBe(0);
  expect(runbook.untyped()).toEqual([]);
});

// The last, because the audit rightly misses a workflow whose retention is not over.
test('a donation at its end whose workflow is gone needs none, and asking for it ends with 1', async () => {
  await forget(single(0));
  const { code, said } = await replayJson(single(0).id);
  expect(said.workflows).toMatchObject([{ action: 'leave', newRunId: null }]);
  expect(said.workflows[0]?.why).toContain('the donation is CAPTURED');
  expect(code).toBe(1);
});

function single(index: number): Given {
  const gift = failed.single[index];
  if (gift === undefined) throw new Error(`there is no donation ${index}`);
  return gift;
}

/** tctl keeps a file of its own in its user's home: not in that of whoever runs the tests. */
function environment(): Readonly<Record<string, string>> {
  return { ...stack.environment, HOME: join(stack.directory, 'home') };
}

function careforall(command: string): Promise<Ended> {
  return run(`node cli/main.ts ${command}`, ROOT, environment());
}

/** Silent is npm, so that stdout is the tool's alone. */
function tool(command: string): Promise<Ended> {
  return run(`npm run -s ${command}`, ROOT, environment());
}

async function replayJson(what: string): Promise<{ code: number | null; said: z.infer<typeof report> }> {
  const { code, stdout } = await careforall(`replay ${what} --json`);
  return { code, said: report.parse(JSON.parse(stdout)) };
}

function workflow({ id }: Given) {
  return stack.temporal.workflow.getHandle(`donation/${id}`);
}

async function countOf(query: string): Promise<number> {
  return (await stack.temporal.workflow.count(query)).count;
}

async function runIdsOf(gifts: readonly Given[]): Promise<string[]> {
  return await Promise.all(gifts.map(async (gift) => (await workflow(gift).describe()).runId));
}

/** Captured, charged once, and the workflow has come to its own end. */
async function expectFinished(gifts: readonly Given[]): Promise<void> {
  await untilEnded(stack, gifts);
  for (const gift of gifts) expect(await workflow(gift).result()).toMatchObject({ status: 'CAPTURED' });
  await expectChargedOnce(stack, gifts);
}

async function untilTried({ id }: Given, operation: 'confirm' | 'release'): Promise<void> {
  await eventually(`the ${operation} was tried`, async () => {
    const { rowCount } = await stack.pools.payments.query(
      'SELECT FROM payment_operations WHERE payment_id = $1 AND operation = $2 AND attempts > 1',
      [id, operation],
    );
    expect(rowCount).toBeGreaterThan(0);
  });
}

async function paymentOf({ id }: Given): Promise<string> {
  const { rows } = await stack.pools.payments.query<{ payment: string }>(
    'SELECT provider_payment_id AS payment FROM payments WHERE id = $1',
    [id],
  );
  return rows[0]?.payment ?? '';
}

/** The one that tells of its payment's creation: true, and nothing new. */
async function eventOf({ id }: Given): Promise<string> {
  return await eventually('the provider has told of it', async () => {
    const { rows } = await stack.pools.payments.query<{ id: string }>(
      `SELECT event_id AS id FROM webhook_events WHERE donation_id = $1 AND type = 'payment_intent.created'`,
      [id],
    );
    const [event] = rows;
    if (event === undefined) throw new Error('no event yet');
    return event.id;
  });
}

/** Resolves once the workflow has looked at the event; its authorization is never answered, so nothing else completes. */
async function tell(gift: Given, eventId: string): Promise<void> {
  await workflow(gift).signal('providerEvent', eventId);
  await eventually('the event was looked at', async () => {
    const { events } = await workflow(gift).fetchHistory();
    if (!events?.some((event) => event.activityTaskCompletedEventAttributes != null))
      throw new Error('not yet');
  });
}

/** As at the end of Temporal's retention. */
async function forget(gift: Given): Promise<void> {
  const { runId, workflowId } = await workflow(gift).describe();
  await stack.temporal.workflowService.deleteWorkflowExecution({
    namespace: stack.prefix,
    workflowExecution: { workflowId, runId },
  });
  await eventually('Temporal knows it no longer', () =>
    expect(workflow(gift).describe()).rejects.toThrow(/not found/i),
  );
}

function keysOf<T extends object>(record: T): (keyof T)[] {
  return Object.keys(record) as (keyof T)[];
}
