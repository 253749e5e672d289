/** That spans really arrive: a receiver, a process, and what it sent. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeAll, describe, expect, test } from 'vitest';

type Attribute = {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: number };
};
type ReceivedSpan = {
  readonly service: string | undefined;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
  readonly status: { readonly code?: number; readonly message?: string };
  readonly attributes: readonly Attribute[];
};
type Export = {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly Omit<ReceivedSpan, 'service'>[] }[];
  }[];
};

const CALLER = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) };

type Report = {
  readonly stored: string;
  readonly log: string;
  readonly status: number;
  readonly withoutSpan: string | null;
};

/** Runs the traced process to its end. */
async function run(endpoint: string | undefined): Promise<Report> {
  const child = fork(
    new URL('./traced-process.ts', import.meta.url),
    [`00-${CALLER.traceId}-${CALLER.spanId}-01`, ...(endpoint === undefined ? [] : [endpoint])],
    { execArgv: [], stdio: ['ignore', 'pipe', 'inherit', 'ipc'] },
  );
  let log = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    log += chunk.toString('utf8');
  });
  const [report] = (await once(child, 'message')) as [Omit<Report, 'log'>];
  const [code] = (await once(child, 'close')) as [number | null];
  expect(code).toBe(0);
  return { ...report, log };
}

describe('with an endpoint', () => {
  const spans: ReceivedSpan[] = [];
  const paths: (string | undefined)[] = [];
  let report: Report;
  beforeAll(async () => {
    const receiver = createServer((request, response) => {
      paths.push(request.url);
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { resourceSpans } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Export;
        for (const { resource, scopeSpans } of resourceSpans) {
          const service = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue;
          for (const { spans: received } of scopeSpans)
            spans.push(...received.map((it) => ({ ...it, service })));
        }
        response.setHeader('Content-Type', 'application/json').end('{}');
      });
    });
    receiver.listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    report = await run(`http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`);
    receiver.close();
    receiver.closeAllConnections();
  }, 30_000);

  function span(name: string): ReceivedSpan {
    const found = spans.filter((it) => it.name === name);
    expect(found.map((it) => it.name)).toEqual([name]);
    return found[0] as ReceivedSpan;
  }

  test('every span arrives at /v1/traces before the process ends, with the service’s name', () => {
    expect(new Set(paths)).toEqual(new Set(['/v1/traces']));
    expect(spans.map(({ name }) => name).toSorted()).toEqual(
      ['POST /donate', 'persist pledge', 'authorize', 'publish', 'deliver'].toSorted(),
    );
    expect(new Set(spans.map(({ service }) => service))).toEqual(new Set(['careforall-test']));
  });

  test('a request, what it does, and what a relay does later with its row are one trace, the caller’s', () => {
    const request = span('POST /donate');
    expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([CALLER.traceId]));
    expect(request.parentSpanId).toBe(CALLER.spanId);
    expect(request.kind).toBe(2);
    expect(span('persist pledge').parentSpanId).toBe(request.spanId);
    expect(span('authorize').parentSpanId).toBe(span('persist pledge').spanId);
    // From the stored text alone, as another process would.
    expect(report.stored).toBe(`00-${CALLER.traceId}-${request.spanId}-01`);
    expect(span('publish').parentSpanId).toBe(request.spanId);
  });

  test('a span carries its attributes, and the request its status', () => {
    expect(span('publish').attributes).toContainEqual({ key: 'donation.id', value: { stringValue: 'd-1' } });
    expect(span('POST /donate').attributes).toContainEqual({
      key: 'http.response.status_code',
      value: { intValue: 202 },
    });
  });

  test('a span whose work failed says so, and the error reaches the caller', () => {
    expect(span('deliver').status).toEqual({ code: 2, message: 'no answer' });
    expect(span('persist pledge').status.code ?? 0).toBe(0);
  });

  test('a log line within a span names its trace', () => {
    expect(JSON.parse(report.log.trim())).toMatchObject({
      msg: 'pledged',
      traceId: CALLER.traceId,
      spanId: span('persist pledge').spanId,
    });
  });

  test('outside of any span there is no trace to name', () => {
    expect(report.withoutSpan).toBeNull();
  });
});

test('without an endpoint nothing is sent, and the trace still flows into rows and logs', async () => {
  const report = await run(undefined);
  expect(report.stored).toMatch(new RegExp(`^00-${CALLER.traceId}-[0-9a-f]{16}-01$`));
  expect(report.log).toContain(CALLER.traceId);
}, 30_000);
