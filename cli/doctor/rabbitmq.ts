import { connect, type ChannelModel } from 'amqplib';
import { QUEUES } from '../../events/topology.ts';
import { LIMIT_MS, type Answer, type Limits } from './probe.ts';

type Queue = { readonly messages: number; readonly consumers: number } | null;

export async function askRabbitmq(url: string, prefix: string, { signal }: Limits): Promise<Answer> {
  // `signal` belongs to the socket, whose options these are.
  const socket = { signal, timeout: LIMIT_MS };
  const model = await connect(url, socket);
  model.on('error', () => undefined);
  const { version } = model.connection.serverProperties;
  const queues = await Promise.all(
    Object.values(QUEUES).map(async (queue) => ({
      name: queue,
      work: await look(model, `${prefix}.${queue}`),
      dead: await look(model, `${prefix}.${queue}.dead`),
    })),
  );
  await model.close();

  const detail = queues
    .map(({ name, work, dead }) =>
      work === null
        ? `${name} is not there`
        : `${name}: ${work.messages} waiting, ${dead?.messages ?? 0} dead, ${work.consumers} consuming`,
    )
    .join('; ');
  const told = { version, detail };
  const withDead = queues.filter(({ dead }) => dead !== null && dead.messages > 0).map(({ name }) => name);
  if (queues.some(({ work }) => work === null))
    return { ...told, health: 'attention', fix: 'the API and the workers make the queues when they connect' };
  if (withDead.length > 0)
    return {
      ...told,
      health: 'attention',
      fix: `look into ${withDead.map((name) => `${prefix}.${name}.dead`).join(', ')}: each message there failed too often`,
    };
  if (queues.some(({ work }) => work?.consumers === 0))
    return { ...told, health: 'attention', fix: 'start workers/background.ts: nobody consumes' };
  return told;
}

/** Null when it does not exist. Each look has a channel of its own: the broker closes it on a name it does not know. */
async function look(model: ChannelModel, name: string): Promise<Queue> {
  const NOT_FOUND = 404;
  const channel = await model.createChannel();
  channel.on('error', () => undefined);
  try {
    const { messageCount, consumerCount } = await channel.checkQueue(name);
    await channel.close();
    return { messages: messageCount, consumers: consumerCount };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === NOT_FOUND) return null;
    throw error;
  }
}
