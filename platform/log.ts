import { context, trace } from '@opentelemetry/api';
import { pino, type Logger } from 'pino';

export type { Logger };

/** JSON lines on stdout, each with the ids of the active trace, so that a log line leads to its donation's trace. */
export function createLogger(service: string, level: string): Logger {
  return pino({
    level,
    base: { service },
    mixin() {
      const span = trace.getSpanContext(context.active());
      return span === undefined ? {} : { traceId: span.traceId, spanId: span.spanId };
    },
    serializers: { err: serializedError },
  });
}

/**
 * Where PostgreSQL quotes rows and values ("Failing row contains (…)" is somebody's name, e-mail and message), and where
 * ioredis quotes the command that was refused: of AUTH that is the password.
 */
const QUOTING = new Set(['detail', 'where', 'internalQuery', 'command']);

/** An error as it is logged, and those that it holds. */
export function serializedError(error: Error): unknown {
  return withoutQuotes(pino.stdSerializers.err(error));
}

function withoutQuotes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutQuotes);
  if (typeof value !== 'object' || value === null || !('stack' in value || 'aggregateErrors' in value))
    return value;
  const kept = Object.entries(value).filter(([name]) => !QUOTING.has(name));
  return Object.fromEntries(kept.map(([name, part]) => [name, withoutQuotes(part)]));
}
