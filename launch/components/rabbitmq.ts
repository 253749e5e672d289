import { connect } from 'amqplib';
import { existsSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findProgram, versionedFolders } from '../find-program.ts';
import { startForeign, tailOf } from '../foreign-program.ts';
import { ensureDirectory } from '../paths.ts';
import { freePort, isListening, LOOPBACK } from '../ports.ts';
import { StartFailed, untilAnswers, type Running } from '../running.ts';
import { ComponentMissing, messageOf, withoutPassword, type Finding } from './component.ts';

const STANDARD_PORT = 5672;

export type PrivateRabbitOptions = {
  readonly directory: string;
  readonly logFile: string;
  readonly pidFile: string;
};

/** `RABBITMQ_URL` → 127.0.0.1:5672 as guest → `rabbitmq-server` started privately → none. */
export async function findRabbitmq(options: {
  readonly url: string | undefined;
  readonly privately: PrivateRabbitOptions;
}): Promise<Finding> {
  if (options.url !== undefined) {
    const refusal = await greet(options.url);
    if (refusal !== undefined)
      throw new ComponentMissing(`RABBITMQ_URL (${withoutPassword(options.url)}) is not usable: ${refusal}.`);
    return {
      found: { name: 'rabbitmq', address: options.url, how: 'RabbitMQ from RABBITMQ_URL' },
      warnings: [],
    };
  }
  const warnings: string[] = [];
  if (await isListening(STANDARD_PORT)) {
    const url = `amqp://guest:guest@${LOOPBACK}:${STANDARD_PORT}`;
    const refusal = await greet(url);
    if (refusal === undefined) {
      return {
        found: {
          name: 'rabbitmq',
          address: url,
          how: `RabbitMQ at ${LOOPBACK}:${STANDARD_PORT} (was running)`,
        },
        warnings,
      };
    }
    warnings.push(`What listens on port ${STANDARD_PORT} is not used as RabbitMQ: ${refusal}.`);
  }
  const command = rabbitmqServer();
  if (command === undefined) {
    warnings.push(
      'No RabbitMQ: going on without it. Events wait in the outbox until there is one; donations and totals work. Install rabbitmq-server or give RABBITMQ_URL.',
    );
    return { found: null, warnings };
  }
  const port = await freePort();
  return {
    found: {
      name: 'rabbitmq',
      address: `amqp://guest:guest@${LOOPBACK}:${port}`,
      how: `RabbitMQ at ${LOOPBACK}:${port} (private)`,
      start: () => startRabbitmq({ ...options.privately, command, port }),
    },
    warnings,
  };
}

/** A broker of its own: own node name, own epmd, own data; it shares nothing with one that the machine runs. */
async function startRabbitmq(
  options: PrivateRabbitOptions & { readonly command?: string; readonly port: number },
): Promise<Running> {
  const command = options.command ?? rabbitmqServer();
  const epmd = findProgram('epmd') ?? versionedFolders('/usr/lib/erlang', /^erts-/, 'bin/epmd')[0];
  if (command === undefined || epmd === undefined)
    throw new ComponentMissing('rabbitmq-server (with Erlang) is not installed.');
  const home = ensureDirectory(options.directory);
  const [distributionPort, epmdPort] = [await freePort(), await freePort()];
  const file = (name: string, text: string): string => {
    writeFileSync(join(home, name), text);
    return join(home, name);
  };
  const env = {
    HOME: home,
    RABBITMQ_CONF_ENV_FILE: file('rabbitmq-env.conf', ''),
    RABBITMQ_CONFIG_FILE: file('rabbitmq.conf', `listeners.tcp.local = ${LOOPBACK}:${options.port}\n`),
    RABBITMQ_ENABLED_PLUGINS_FILE: file('enabled_plugins', '[].\n'),
    // The data folder carries the node's name, so the name must stay the same from start to start.
    RABBITMQ_NODENAME: 'careforall@localhost',
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    RABBITMQ_MNESIA_BASE: ensureDirectory(join(home, 'mnesia')),
    RABBITMQ_LOG_BASE: ensureDirectory(join(home, 'log')),
    RABBITMQ_PID_FILE: join(home, 'rabbitmq.pid'),
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: LOOPBACK,
  };
  const directory = await startForeign({
    name: 'epmd',
    command: epmd,
    args: ['-port', String(epmdPort), '-address', LOOPBACK],
    logFile: `${options.logFile}.epmd`,
    pidFile: `${options.pidFile}.epmd`,
  });
  try {
    const broker = await startForeign({
      name: 'RabbitMQ',
      command,
      args: [],
      env,
      cwd: home,
      stopLimitMs: 10_000,
      logFile: options.logFile,
      pidFile: options.pidFile,
    });
    void broker.ended.then(() => directory.stop());
    const url = `amqp://guest:guest@${LOOPBACK}:${options.port}`;
    const answers = await untilAnswers(async () => (await greet(url)) === undefined, broker, 60_000);
    if (!answers) {
      await broker.stop();
      throw new StartFailed('the private RabbitMQ does not answer', tailOf(options.logFile), options.logFile);
    }
    return {
      ...broker,
      async stop() {
        await broker.stop();
        await directory.stop();
      },
      kill() {
        broker.kill();
        directory.kill();
      },
    };
  } catch (error) {
    await directory.stop();
    throw error;
  }
}

/** undefined when it lets us open a channel, else why not. */
export async function greet(url: string): Promise<string | undefined> {
  try {
    const connection = await connect(url, { timeout: 3_000 });
    connection.on('error', () => undefined);
    await connection.close();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Debian's wrapper on PATH insists on root or the user rabbitmq; the script behind it runs as anybody. */
function rabbitmqServer(): string | undefined {
  const behind = versionedFolders('/usr/lib/rabbitmq/lib', /^rabbitmq_server-/, 'sbin/rabbitmq-server').find(
    (path) => existsSync(path),
  );
  if (behind !== undefined) return behind;
  const onPath =
    findProgram('rabbitmq-server') ??
    findProgram('rabbitmq-server', ['/opt/homebrew/sbin', '/usr/local/sbin']);
  return onPath === undefined ? undefined : join(dirname(realpathSync(onPath)), 'rabbitmq-server');
}
