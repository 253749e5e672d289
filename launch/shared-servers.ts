/** What an installation leaves on servers that it shares with others, and how that is removed. */
import { Client, Connection, ScheduleNotFoundError } from '@temporalio/client';
import { connect } from 'amqplib';
import { Redis } from 'ioredis';
import { QUEUES } from '../events/topology.ts';
import { reconciliationSchedules } from '../platform/temporal.ts';

const QUERY_LIMIT = 10_000;

/** Deletes the keys of the prefix and returns how many there were. */
export async function clearRedis(url: string, prefix: string): Promise<number> {
  const redis = new Redis(url, { lazyConnect: true, connectTimeout: 2_000, retryStrategy: () => null });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    let deleted = 0;
    let cursor = '0';
    do {
      const [next, keys] = await redis.scan(cursor, 'MATCH', `${prefix}:*`, 'COUNT', 1_000);
      if (keys.length > 0) deleted += await redis.unlink(...keys);
      cursor = next;
    } while (cursor !== '0');
    return deleted;
  } finally {
    redis.disconnect();
  }
}

/** Deletes the queues and the exchange: old messages would reach the consumers of an empty system. */
export async function clearRabbitmq(url: string, prefix: string): Promise<void> {
  const connection = await connect(url, { timeout: 3_000 });
  connection.on('error', () => undefined);
  try {
    const channel = await connection.createChannel();
    for (const queue of Object.values(QUEUES)) {
      await channel.deleteQueue(`${prefix}.${queue}`);
      await channel.deleteQueue(`${prefix}.${queue}.dead`);
    }
    await channel.deleteExchange(`${prefix}.events`);
  } finally {
    await connection.close();
  }
}

/** Ends the schedules and running workflows of the prefix: their rows are gone, they would only fail again and again. */
export async function endWorkflows(address: string, namespace: string, prefix: string): Promise<number> {
  const connection = await Connection.connect({ address, connectTimeout: 3_000 });
  try {
    const client = new Client({ connection, namespace });
    // First: a schedule would start the next workflow.
    for (const scheduleId of Object.values(reconciliationSchedules(prefix))) {
      await client.schedule
        .getHandle(scheduleId)
        .delete()
        .catch((error: unknown) => {
          if (!(error instanceof ScheduleNotFoundError)) throw error;
        });
    }
    const queues = ['donations', 'payments', 'campaigns']
      .map((service) => `'${prefix}-${service}'`)
      .join(', ');
    let ended = 0;
    for await (const { workflowId } of client.workflow.list({
      query: `ExecutionStatus = 'Running' AND TaskQueue IN (${queues})`,
    })) {
      if (ended >= QUERY_LIMIT) break;
      await client.workflow.getHandle(workflowId).terminate('the installation was reset');
      ended += 1;
    }
    return ended;
  } finally {
    await connection.close();
  }
}
