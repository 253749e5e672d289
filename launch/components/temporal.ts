import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { SEARCH_ATTRIBUTES } from '../../platform/search-attributes.ts';
import { startForeign, tailOf } from '../foreign-program.ts';
import { freePort, isListening, LOOPBACK } from '../ports.ts';
import { StartFailed, untilAnswers, type Running } from '../running.ts';
import type { Step } from '../screen.ts';
import { ComponentMissing, messageOf, type Component } from './component.ts';
import { obtainTemporalBinary } from './temporal-binary.ts';

const STANDARD_PORT = 7233;
/** The development server's own convention. */
const UI_PORT_OFFSET = 1_000;
const NOT_FOUND = 5;
const ALREADY_EXISTS = 6;

/** temporal.api.enums.v1.IndexedValueType */
export const INDEXED_VALUE_TYPE = { Keyword: 2, Int: 3, Bool: 5 } as const;

export type TemporalComponent = Component & {
  /** Web UI, when it is known where it is. */
  readonly uiUrl: string | undefined;
};

export type TemporalServerOptions = {
  /** Undefined keeps everything in memory. */
  readonly dbFilename?: string | undefined;
  readonly logFile: string;
  readonly pidFile: string;
};

/** `TEMPORAL_ADDRESS` → 127.0.0.1:7233 → a development server that keeps its data under `.careforall/`. */
export async function findTemporal(options: {
  readonly address: string | undefined;
  readonly privately: TemporalServerOptions;
  readonly step: Step;
}): Promise<{ found: TemporalComponent; warnings: string[] }> {
  const { address } = options;
  if (address !== undefined) {
    const refusal = await greet(address, 5_000);
    if (refusal !== undefined)
      throw new ComponentMissing(`TEMPORAL_ADDRESS (${address}) is not usable: ${refusal}.`);
    return {
      found: {
        name: 'temporal',
        address,
        how: `Temporal at ${address} from TEMPORAL_ADDRESS`,
        uiUrl: undefined,
      },
      warnings: [],
    };
  }
  const warnings: string[] = [];
  if (await isListening(STANDARD_PORT)) {
    const standard = `${LOOPBACK}:${STANDARD_PORT}`;
    const refusal = await greet(standard, 3_000);
    if (refusal === undefined) {
      const uiUrl = (await isListening(STANDARD_PORT + UI_PORT_OFFSET))
        ? `http://${LOOPBACK}:${STANDARD_PORT + UI_PORT_OFFSET}`
        : undefined;
      return {
        found: { name: 'temporal', address: standard, how: `Temporal at ${standard} (was running)`, uiUrl },
        warnings,
      };
    }
    warnings.push(`Port ${STANDARD_PORT} is taken by something that is not Temporal: another port is used.`);
  }
  const binary = await obtainTemporalBinary(options.step);
  const server = await temporalServer(binary, {
    ...options.privately,
    preferredPort: STANDARD_PORT,
    ui: true,
  });
  return { found: server, warnings };
}

/** A development server that is not started yet, on a free port. */
export async function temporalServer(
  binary: string,
  options: TemporalServerOptions & { readonly preferredPort?: number; readonly ui: boolean },
): Promise<TemporalComponent & Required<Pick<TemporalComponent, 'start'>>> {
  const port = await freePort(options.preferredPort ?? 0);
  const uiPort = options.ui ? await freePort(Math.min(port + UI_PORT_OFFSET, 65_535)) : undefined;
  const address = `${LOOPBACK}:${port}`;
  const data = options.dbFilename === undefined ? 'in memory' : `data in ${options.dbFilename}`;
  const listen = [
    '--ip',
    LOOPBACK,
    '--port',
    String(port),
    ...(uiPort === undefined ? ['--headless'] : ['--ui-port', String(uiPort)]),
  ];
  const store =
    options.dbFilename === undefined
      ? []
      : [
          '--db-filename',
          options.dbFilename,
          '--sqlite-pragma',
          'journal_mode=WAL',
          '--sqlite-pragma',
          'synchronous=NORMAL',
        ];
  const attributes = Object.entries(SEARCH_ATTRIBUTES).flatMap(([name, type]) => [
    '--search-attribute',
    `${name}=${type}`,
  ]);
  return {
    name: 'temporal',
    address,
    how: `Temporal at ${address} (private, ${data})`,
    uiUrl: uiPort === undefined ? undefined : `http://${LOOPBACK}:${uiPort}`,
    async start(): Promise<Running> {
      const running = await startForeign({
        name: 'Temporal',
        command: binary,
        args: ['server', 'start-dev', ...listen, ...store, ...attributes, '--log-level', 'warn'],
        logFile: options.logFile,
        pidFile: options.pidFile,
      });
      if (await untilAnswers(async () => (await greet(address, 1_000)) === undefined, running, 60_000))
        return running;
      await running.stop();
      throw new StartFailed('the Temporal server does not answer', tailOf(options.logFile), options.logFile);
    },
  };
}

/** undefined when a Temporal server answers there, else why not. */
export async function greet(address: string, limitMs: number): Promise<string | undefined> {
  try {
    const connection = await Connection.connect({ address, connectTimeout: limitMs });
    await connection.close();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/**
 * Makes sure that the namespace and the search attributes exist, on a server of ours or anybody's. Idempotent.
 * Throws `ComponentMissing` when a search attribute of that name has another type there.
 */
export async function prepareNamespace(address: string, namespace: string): Promise<void> {
  const connection = await Connection.connect({ address, connectTimeout: 5_000 });
  try {
    await ensureNamespace(connection, namespace);
    const missing = await missingAttributes(connection, namespace);
    if (missing.length === 0) return;
    const searchAttributes = Object.fromEntries(
      missing.map((name) => [name, INDEXED_VALUE_TYPE[SEARCH_ATTRIBUTES[name]]]),
    );
    await connection.operatorService
      .addSearchAttributes({ namespace, searchAttributes })
      .catch((error: unknown) => {
        if (!hasCode(error, ALREADY_EXISTS)) throw error;
      });
    await retry(
      async () => (await missingAttributes(connection, namespace)).length === 0,
      'the search attributes did not appear',
    );
  } finally {
    await connection.close();
  }
}

type AttributeName = keyof typeof SEARCH_ATTRIBUTES;

async function missingAttributes(connection: Connection, namespace: string): Promise<AttributeName[]> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const names = Object.keys(SEARCH_ATTRIBUTES).filter(
    (name): name is AttributeName => name in SEARCH_ATTRIBUTES,
  );
  return names.filter((name) => {
    const type = customAttributes?.[name];
    if (type === undefined) return true;
    const wanted = SEARCH_ATTRIBUTES[name];
    if (!sameType(type, INDEXED_VALUE_TYPE[wanted])) {
      throw new ComponentMissing(
        `Temporal's search attribute ${name} is not a ${wanted} in namespace ${namespace}: give another TEMPORAL_NAMESPACE.`,
      );
    }
    return false;
  });
}

/** Two numbers to compare, where the compiler sees an enum that the client does not export. */
function sameType(found: number, wanted: number): boolean {
  return found === wanted;
}

async function ensureNamespace(connection: Connection, namespace: string): Promise<void> {
  try {
    await connection.workflowService.describeNamespace({ namespace });
    return;
  } catch (error) {
    if (!hasCode(error, NOT_FOUND)) throw error;
  }
  await connection.workflowService
    .registerNamespace({ namespace, workflowExecutionRetentionPeriod: msToTs('3 days') })
    .catch((error: unknown) => {
      if (!hasCode(error, ALREADY_EXISTS)) throw error;
    });
  // The server's parts learn of a new namespace with a delay.
  await retry(
    () =>
      connection.operatorService.listSearchAttributes({ namespace }).then(
        () => true,
        () => false,
      ),
    `the namespace ${namespace} did not appear`,
  );
}

async function retry(attempt: () => Promise<boolean>, failure: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline) {
    if (await attempt()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(failure);
}

function hasCode(error: unknown, code: number): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
