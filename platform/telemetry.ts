/**
 * Tracing: one donation is one trace from the POST to the last event. Context always flows (it is stored with requests
 * and outbox rows); spans are sent only where `OTEL_EXPORTER_OTLP_ENDPOINT` says so.
 */
import {
  context,
  propagation,
  ROOT_CONTEXT,
  SpanStatusCode,
  trace,
  type Attributes,
  type Span,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes, type Resource } from '@opentelemetry/resources';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { BatchSpanProcessor, NoopSpanProcessor, type SpanProcessor } from '@opentelemetry/sdk-trace';
import { OpenTelemetryPlugin } from '@temporalio/interceptors-opentelemetry';

export type Telemetry = { readonly temporalPlugin: OpenTelemetryPlugin; shutdown(): Promise<void> };

export function startTelemetry(service: string, otlpEndpoint: string | undefined): Telemetry {
  const resource = resourceFromAttributes({ 'service.name': `careforall-${service}` });
  const processor: SpanProcessor =
    otlpEndpoint === undefined
      ? new NoopSpanProcessor()
      : new BatchSpanProcessor({
          exporter: new OTLPTraceExporter({ url: `${otlpEndpoint.replace(/\/$/, '')}/v1/traces` }),
        });
  const sdk = new NodeSDK({
    resource,
    autoDetectResources: false,
    spanProcessors: [processor],
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [],
  });
  sdk.start();
  return { temporalPlugin: createTemporalPlugin(resource, processor), shutdown: () => sdk.shutdown() };
}

type PluginOptions = ConstructorParameters<typeof OpenTelemetryPlugin>[0];

/**
 * Temporal's interceptors make workflow spans of the 1.x shape; the exporter wants 2.x names and drops a whole batch
 * that lacks them. The processor given to the plugin adds the new names.
 */
function createTemporalPlugin(resource: Resource, processor: SpanProcessor): OpenTelemetryPlugin {
  const forward = {
    onStart: () => undefined,
    onEnd: (span: LegacySpan) => processor.onEnd(modernSpan(span)),
    forceFlush: () => processor.forceFlush(),
    shutdown: () => Promise.resolve(),
  };
  return new OpenTelemetryPlugin({ resource, spanProcessor: forward } as unknown as PluginOptions);
}

type ModernSpan = Parameters<SpanProcessor['onEnd']>[0];
type LegacySpan = ModernSpan & {
  readonly instrumentationLibrary?: ModernSpan['instrumentationScope'];
  readonly parentSpanId?: string;
};

function modernSpan(span: LegacySpan): ModernSpan {
  const parent =
    span.parentSpanContext ??
    (span.parentSpanId === undefined ? undefined : { ...span.spanContext(), spanId: span.parentSpanId });
  return {
    ...span,
    spanContext: () => span.spanContext(),
    instrumentationScope: span.instrumentationScope ??
      span.instrumentationLibrary ?? { name: '@temporalio/interceptors-opentelemetry' },
    ...(parent === undefined ? {} : { parentSpanContext: parent }),
  };
}

const tracer = trace.getTracer('careforall');

/** Runs `work` in a span that is a child of the active one, or of `traceparent` when given. Errors mark the span. */
export async function inSpan<T>(
  name: string,
  options: { readonly traceparent?: string | null | undefined; readonly attributes?: Attributes },
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const parent = options.traceparent == null ? context.active() : contextOf(options.traceparent);
  return tracer.startActiveSpan(name, { attributes: options.attributes ?? {} }, parent, async (span) => {
    try {
      return await work(span);
    } catch (error) {
      span.setStatus({
        code: SpanStatusCode.ERROR,
        message: error instanceof Error ? error.message : String(error),
      });
      throw error;
    } finally {
      span.end();
    }
  });
}

/** The W3C `traceparent` of the active span, as stored with requests, webhooks and outbox rows. */
export function activeTraceparent(): string | null {
  const carrier: Record<string, string> = {};
  propagation.inject(context.active(), carrier);
  return carrier['traceparent'] ?? null;
}

/** The id a donor can quote and an operator can look up. */
export function activeTraceId(): string | null {
  return trace.getSpanContext(context.active())?.traceId ?? null;
}

function contextOf(traceparent: string) {
  return propagation.extract(ROOT_CONTEXT, { traceparent });
}
