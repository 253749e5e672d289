import { Connection } from '@temporalio/client';
import { INDEXED_VALUE_TYPE } from '../../launch/components/temporal.ts';
import { SEARCH_ATTRIBUTES } from '../../platform/search-attributes.ts';
import { LIMIT_MS, type Answer, type Limits } from './probe.ts';

/** temporal.api.enums.v1.TaskQueueType */
const WORKFLOW = 1;
const ACTIVITY = 2;
/** The server remembers pollers for five minutes; one that lives asks again after a minute at the latest. */
const FRESH_MS = 75_000;
const NOT_FOUND = 5;

export async function askTemporal(address: string, namespace: string, limits: Limits): Promise<Answer> {
  const connection = open(address, limits);
  return await asking(connection, limits, async () => {
    const { serverVersion: version } = await connection.workflowService.getSystemInfo({});
    try {
      await connection.workflowService.describeNamespace({ namespace });
    } catch (error) {
      if (!hasCode(error, NOT_FOUND)) throw error;
      return {
        health: 'unhealthy',
        version,
        detail: `it has no namespace ${namespace}`,
        fix: '`npm start` makes it',
      };
    }
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    const wrong = Object.entries(SEARCH_ATTRIBUTES).filter(
      ([name, type]) => Number(customAttributes?.[name]) !== INDEXED_VALUE_TYPE[type],
    );
    const all = Object.keys(SEARCH_ATTRIBUTES).length;
    const detail = `namespace ${namespace}, ${all - wrong.length} of ${all} search attributes`;
    if (wrong.length === 0) return { version, detail };
    const names = wrong.map(([name, type]) => `${name} (${type})`).join(', ');
    return {
      health: 'unhealthy',
      version,
      detail: `${detail}, not ${names}`,
      fix: '`npm start` registers them',
    };
  });
}

/** Whether somebody asks each queue for work, as Temporal sees it. */
export async function askPollers(
  address: string,
  namespace: string,
  queues: Readonly<Record<string, string>>,
  limits: Limits,
): Promise<Answer> {
  const connection = open(address, limits);
  const count = async (queue: string, taskQueueType: number): Promise<number> => {
    const taskQueue = { name: queue };
    const { pollers } = await connection.workflowService.describeTaskQueue({
      namespace,
      taskQueue,
      taskQueueType,
    });
    const identities = (pollers ?? [])
      .filter(({ lastAccessTime }) => Date.now() - Number(lastAccessTime?.seconds ?? 0) * 1_000 < FRESH_MS)
      .map(({ identity }) => identity);
    return new Set(identities).size;
  };
  return await asking(connection, limits, async () => {
    const asked = await Promise.all(
      Object.entries(queues).flatMap(([service, queue]) => [
        // Workflows run on this one alone.
        ...(service === 'donations'
          ? [count(queue, WORKFLOW).then((n) => [`${queue} (workflows)`, n] as const)]
          : []),
        count(queue, ACTIVITY).then((n) => [queue, n] as const),
      ]),
    );
    const detail = asked.map(([queue, pollers]) => `${queue}: ${pollers}`).join(', ');
    if (asked.every(([, pollers]) => pollers > 0)) return { detail };
    return {
      health: 'unhealthy',
      detail,
      fix: 'start a worker for each queue without one: workers/all-in-one.ts serves all',
    };
  });
}

/** Without interceptors nothing is repeated: a server that refuses says so at once. */
function open(address: string, { opened }: Limits): Connection {
  const connection = Connection.lazy({ address, connectTimeout: LIMIT_MS, interceptors: [] });
  opened.defer(() => void connection.close());
  return connection;
}

/** What gRPC says of a server that is away has the reason in its middle. */
async function asking(
  connection: Connection,
  { deadline }: Limits,
  ask: () => Promise<Answer>,
): Promise<Answer> {
  try {
    return await connection.withDeadline(deadline, ask);
  } catch (error) {
    const refused = /connect E[A-Z]+ \S+(?=\.)/.exec(error instanceof Error ? error.message : '');
    throw refused === null ? error : new Error(refused[0]);
  }
}

function hasCode(error: unknown, code: number): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
