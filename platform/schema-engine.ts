import { readFile } from 'node:fs/promises';
import { PrismaPg } from '@prisma/adapter-pg';
import {
  bindMigrationAwareSqlAdapterFactory,
  DriverAdapterError,
  type SqlDriverAdapter,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg';
import { DatabaseError, Pool } from 'pg';

export type SchemaEngine = bindings.SchemaEngine;

/**
 * Runs `work` with Prisma's own schema engine, compiled to WebAssembly: the native one is a download that not every
 * machine may make. `schema` is a schema.prisma text or undefined.
 */
export async function withSchemaEngine<T>(
  options: { readonly url: string; readonly schema?: string },
  work: (engine: SchemaEngine) => Promise<T>,
): Promise<T> {
  await loadEngine();
  const pool = new Pool({ connectionString: options.url, max: 2, application_name: 'careforall-migrate' });
  pool.on('error', () => undefined);
  try {
    const datamodels: [string, string][] | undefined =
      options.schema === undefined ? undefined : [['schema.prisma', options.schema]];
    const adapter = bindMigrationAwareSqlAdapterFactory(new WholeScripts(pool));
    const engine = await bindings.SchemaEngine.new({ datamodels }, () => undefined, adapter);
    try {
      return await work(engine);
    } finally {
      engine.free();
    }
  } finally {
    await pool.end();
  }
}

/**
 * The adapter cuts a script at every semicolon, also inside a trigger's body, and runs the pieces one by one. Sent whole
 * it is one implicit transaction: a migration happens entirely or not at all.
 */
class WholeScripts implements SqlMigrationAwareDriverAdapterFactory {
  readonly provider = 'postgres';
  readonly adapterName = '@prisma/adapter-pg';
  readonly #pool: Pool;
  readonly #prisma: PrismaPg;

  constructor(pool: Pool) {
    this.#pool = pool;
    this.#prisma = new PrismaPg(pool);
  }

  async connect(): Promise<SqlDriverAdapter> {
    const adapter = await this.#prisma.connect();
    adapter.executeScript = async (script) => {
      await this.#pool.query(script).catch((error: unknown) => {
        throw describe(error);
      });
    };
    return adapter;
  }

  connectToShadowDb(): Promise<SqlDriverAdapter> {
    return Promise.reject(new Error('no shadow databases: a service may not create databases'));
  }
}

/** In the engine's terms, so that its report names the cause. */
function describe(error: unknown): unknown {
  if (!(error instanceof DatabaseError)) return error;
  return new DriverAdapterError({
    kind: 'postgres',
    code: error.code ?? 'XX000',
    severity: error.severity ?? 'ERROR',
    message: error.message,
    detail: error.detail ?? '',
    column: error.column ?? '',
    hint: error.hint ?? '',
  });
}

let loading: Promise<void> | undefined;

/** Once per process: 5 MB of WebAssembly. */
function loadEngine(): Promise<void> {
  loading ??= (async () => {
    const wasmFile = new URL('schema_engine_bg.wasm', import.meta.resolve('@prisma/schema-engine-wasm'));
    const { instance } = await WebAssembly.instantiate(await readFile(wasmFile), {
      './schema_engine_bg.js': bindings,
    });
    bindings.__wbg_set_wasm(instance.exports);
    (instance.exports['__wbindgen_start'] as () => void)();
  })();
  return loading;
}
