import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConfig, lintFromString } from '@redocly/openapi-core';
import { describe, expect, it } from 'vitest';
import { FAILURES, isFailureCode } from '../../../domain/failures.ts';
import { describeApi } from '../../../api/http/openapi/document.ts';
import { SERVICES } from '../../../api/services.ts';
import { ROOT } from '../../../launch/paths.ts';
import {
  apiDocument,
  DOCUMENT_FILE,
  misfits,
  operations,
  resolved,
  type Described,
  type MediaType,
  type Parameter,
} from '../../harness/api-document.ts';

const all = [...operations];

describe('the API description', () => {
  it('is valid OpenAPI 3.1 by a linter’s strict rules', { timeout: 60_000 }, async () => {
    const config = await createConfig({
      extends: ['recommended-strict'],
      // What a request may meet whatever it asks for is in `default`.
      rules: { 'operation-4xx-response': 'off' },
    });
    const found = await lintFromString({ source: readFileSync(DOCUMENT_FILE, 'utf8'), config });
    expect(
      found.map(({ ruleId, message, location }) => ({ ruleId, message, at: location[0]?.pointer })),
    ).toEqual([]);
    expect(apiDocument.openapi).toMatch(/^3[.]1[.]/);
  });

  it.each(all)('%s: its examples fit their schemas', (_name, operation) => {
    const media: MediaType[] = [
      ...Object.values(operation.requestBody?.content ?? {}),
      ...Object.values(operation.responses).flatMap((response) =>
        Object.values(resolved<Described>(response).content ?? {}),
      ),
    ];
    for (const { schema = {}, examples = {} } of media)
      for (const [name, example] of Object.entries(examples)) {
        const { value } = resolved<{ value?: unknown }>(example);
        expect({ name, wrong: misfits(schema, value) }).toEqual({ name, wrong: [] });
      }
    for (const parameter of operation.parameters ?? []) {
      const { schema } = resolved<Parameter>(parameter);
      for (const example of (schema['examples'] as unknown[] | undefined) ?? [])
        expect(misfits(schema, example)).toEqual([]);
    }
  });

  it.each(all)(
    '%s: says who may call it, gives an example of each JSON body, and explains every problem',
    (_name, operation) => {
      expect(operation.security).toBeDefined();
      for (const [status, response] of Object.entries(operation.responses)) {
        const { content = {}, description } = resolved<Described>(response);
        expect(description).not.toBe('');
        for (const [type, { examples, schema }] of Object.entries(content)) {
          if (!type.endsWith('json') || schema?.['additionalProperties'] === true) continue;
          expect(Object.keys(examples ?? {}), `${status} ${type}`).not.toEqual([]);
          if (type === 'application/problem+json' && status !== 'default')
            for (const code of Object.keys(examples ?? {}))
              expect(isFailureCode(code) ? String(FAILURES[code].status) : code).toBe(status);
        }
      }
    },
  );

  it('has the table of the problems that its operations give, as the registry has them', () => {
    const { 'x-problems': table } = apiDocument;
    expect(Object.keys(table).length).toBeGreaterThan(20);
    for (const [code, problem] of Object.entries(table))
      expect(problem).toEqual(isFailureCode(code) ? FAILURES[code] : null);
  });

  it('asks for an Idempotency-Key wherever money moves', () => {
    for (const name of ['POST /donate', 'POST /donations/{id}/refunds']) {
      const { parameters = [] } = operations.get(name) ?? {};
      expect(parameters.map((parameter) => resolved<Parameter>(parameter))).toContainEqual(
        expect.objectContaining({ name: 'Idempotency-Key', in: 'header', required: true }),
      );
    }
  });

  it('has what the guide to it names: operations, problems, headers and the problem document', () => {
    const guide = readFileSync(join(ROOT, 'docs', 'api', 'README.md'), 'utf8');
    const named = [...guide.matchAll(/`((?:GET|POST|PATCH|PUT) [/][^ `]*)`/g)].map(([, name = '']) => name);
    expect(named.length).toBeGreaterThan(8);
    for (const name of named) expect(operations.has(name), name).toBe(true);
    const codes = [...guide.matchAll(/`([a-z]+(?:_[a-z]+)+)`/g)].map(([, code = '']) => code);
    for (const code of codes) expect(Object.keys(apiDocument['x-problems'])).toContain(code);
    const described = new Set([
      ...Object.keys(apiDocument.components['headers'] ?? {}),
      ...all.flatMap(([, { parameters = [] }]) =>
        parameters.map((parameter) => resolved<Parameter>(parameter).name),
      ),
    ]);
    for (const [, header = ''] of guide.matchAll(/`((?:[A-Z][A-Za-z]+-)+[A-Za-z]+)(?:: [^`]*)?`/g))
      expect(described.has(header), header).toBe(true);
    const [, document = ''] = /```json\n(.*?)```/s.exec(guide) ?? [];
    expect(misfits({ $ref: '#/components/schemas/Problem' }, JSON.parse(document))).toEqual([]);
  });

  it('can be made of one service alone, and of none that describes another’s path again', () => {
    for (const service of SERVICES) {
      const paths = Object.keys(describeApi([service]).paths ?? {});
      expect(paths).toEqual(expect.arrayContaining([...Object.keys(service.paths), '/openapi.json']));
    }
    const [first] = SERVICES;
    expect(() => describeApi(first === undefined ? [] : [first, first])).toThrow('is described twice');
  });
});
