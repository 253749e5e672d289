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
    serializers: { err: pino.stdSerializers.err },
  });
}
