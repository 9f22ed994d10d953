import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { startTestServer, type TestServer } from './testing/test-server.ts';

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly tags?: string[];
  readonly parameters?: { name: string; in: string; required?: boolean; schema: object }[];
  readonly requestBody?: { content: Record<string, { schema: object }> };
  readonly responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>;
  readonly security?: unknown[];
  readonly 'x-access'?: string;
}
interface Document {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Omit<Operation, 'method' | 'path'>>>;
}

let t: TestServer;
let document: Document;
let operations: Operation[];
beforeAll(async () => {
  t = await startTestServer();
  document = (await t.call<Document>('GET', '/api/v1/openapi.json')).body;
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      ...operation,
    })),
  );
});
afterAll(() => t.end());

describe('the OpenAPI document', () => {
  it('names every route with a tag, who may call it, its answers and the error', () => {
    expect(document.openapi).toMatch(/^3\.1\./);
    expect(operations.length).toBeGreaterThan(25);
    for (const operation of operations) {
      const { method, path, tags, responses } = operation;
      const where = `${method} ${path}`;
      expect(tags, where).toHaveLength(1);
      expect(
        Object.keys(responses).some((status) => /^[12]\d\d$/.test(status)),
        where,
      ).toBe(true);
      expect(responses['default']?.content?.['application/json']?.schema, where).toMatchObject({
        required: ['error'],
      });
      expect(operation['x-access'], where).toMatch(/^(public|read|write|admin|agent|watch|train|pull)$/);
      expect(operation.security, where).toEqual(operation['x-access'] === 'public' ? [] : undefined);
    }
  });

  it('declares every path parameter', () => {
    for (const { method, path, parameters = [] } of operations) {
      const declared = parameters
        .filter((parameter) => parameter.in === 'path')
        .map((parameter) => parameter.name);
      const used = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      expect(declared.toSorted(), `${method} ${path}`).toEqual(used.toSorted());
    }
  });

  it('has only references that lead somewhere and schemas that can be read', () => {
    const walk = (value: unknown, where: string): void => {
      if (typeof value !== 'object' || value === null) return;
      for (const [key, inner] of Object.entries(value)) {
        if (key === '$ref') expect(resolve(inner as string), `${where}: ${String(inner)}`).toBeDefined();
        walk(inner, `${where}/${key}`);
      }
    };
    walk(document, '#');
    for (const { method, path, responses } of operations) {
      for (const [status, { content = {} }] of Object.entries(responses)) {
        for (const { schema } of Object.values(content)) {
          const whole = { ...schema, components: (document as unknown as { components: object }).components };
          expect(
            () => z.fromJSONSchema(withLocalReferences(whole) as never),
            `${method} ${path} ${status}`,
          ).not.toThrow();
        }
      }
    }
  });
});

function resolve(reference: string): unknown {
  if (!reference.startsWith('#')) return undefined;
  return reference
    .slice(2)
    .split('/')
    .filter((part) => part !== '')
    .reduce<unknown>((value, part) => (value as Record<string, unknown> | undefined)?.[part], document);
}

/** zod reads references into `$defs` only. */
function withLocalReferences(schema: object): object {
  const { components, ...rest } = schema as { components: { schemas?: object } };
  const text = JSON.stringify({ ...rest, $defs: components.schemas ?? {} });
  return JSON.parse(text.replaceAll('#/components/schemas/', '#/$defs/')) as object;
}
