import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Problem, problemDocument, problemHeaders } from '../../../api/http/problem.ts';
import { SECURITY_HEADERS } from '../../../api/http/security-headers.ts';
import { isFailureCode } from '../../../domain/failures.ts';
import { MAX_BODY_BYTES, MAX_WEBHOOK_BYTES } from '../../../domain/limits.ts';
import { ROOT } from '../../../launch/paths.ts';

const read = (name: string): string => readFileSync(join(ROOT, 'ops', 'nginx', name), 'utf8');
const problems = read('problems.conf');
const LOCATION = /location = \/-\/(\w+) \{\n([^}]*?return (\d+) '([^\n]*)';)\n\}/g;
const locations = [...problems.matchAll(LOCATION)].map(
  ([, code = '', block = '', status, document = '']) => ({
    code,
    block,
    status: Number(status),
    document,
  }),
);

function headersIn(text: string): Record<string, string> {
  const added = [...text.matchAll(/^ *add_header (\S+) (?:"([^"]*)"|(\S+)) always;/gm)];
  return Object.fromEntries(added.map(([, name = '', quoted, bare = '']) => [name, quoted ?? bare]));
}

describe('the door’s own answers', () => {
  test('are found in its configuration', () => {
    expect(locations.length).toBe(problems.match(/^location/gm)?.length);
    expect(locations.length).toBeGreaterThan(8);
  });

  test.each(locations)('$code is the problem document that a service would write', (location) => {
    const { code, block, status, document } = location;
    if (!isFailureCode(code)) throw new Error(`${code} is no failure`);
    const problem = new Problem(code);
    const { traceId, ...ours } = JSON.parse(problemDocument(problem)) as Record<string, unknown>;
    expect(traceId).toBeNull();
    expect(JSON.parse(document)).toEqual({ ...ours, traceId: '$trace_id' });
    expect(status).toBe(ours['status']);
    const { 'Content-Type': type, ...headers } = problemHeaders(problem);
    expect(block).toContain(`default_type '${type ?? ''}';`);
    expect(block).toContain('include answer-headers.conf;');
    expect(headersIn(block)).toEqual(
      Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'Cache-Control')),
    );
  });

  test('have the headers that every answer of a service has', () => {
    const { 'Strict-Transport-Security': transport, ...headers } = headersIn(read('answer-headers.conf'));
    expect(headers).toEqual({ ...SECURITY_HEADERS, 'Cache-Control': 'no-store' });
    expect(transport).toBe('$strict_transport');
  });

  test('are what every error page leads to', () => {
    const targets = [...problems.matchAll(/^error_page [\d ]+(?:=\d+ )?\/-\/(\w+);/gm)].map(
      ([, code]) => code,
    );
    expect(targets.length).toBe(problems.match(/^error_page/gm)?.length);
    expect(new Set(targets)).toEqual(new Set(locations.map(({ code }) => code)));
  });
});

test('the door takes bodies as large as the services do', () => {
  const sizes = [read('nginx.conf'), read('routes.conf')].map(
    (text) => Number(/client_max_body_size (\d+)k;/.exec(text)?.[1]) * 1_024,
  );
  expect(sizes).toEqual([MAX_BODY_BYTES, MAX_WEBHOOK_BYTES]);
});
