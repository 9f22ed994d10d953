import { z } from 'zod';
import { agentProgram } from './agent-program.ts';
import { HTTP_LIMITS } from './stage-limits.ts';
import { duration, identifier, jsonValue } from './values.ts';

export const HTTP_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

const scalar = z.union([z.string(), z.number().transform(String), z.boolean().transform(String)]);
const headerName = z
  .string()
  .max(200)
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'not a name of an HTTP header');
const statusCode = z.int().min(100).max(599);

/** One status such as 204, or a range such as "200-299"; comes out as [first, last]. */
const statusRange = z.union([
  statusCode.transform((status): [number, number] => [status, status]),
  z.string().transform((text, context): [number, number] => {
    const [, first, last] = /^\s*(\d{3})\s*-\s*(\d{3})\s*$/.exec(text) ?? [];
    const range: [number, number] = [Number(first), Number(last)];
    if (range[0] >= 100 && range[1] <= 599 && range[0] <= range[1]) return range;
    const message = `"${text}" is not a status; write for example 204 or "200-299"`;
    context.issues.push({ code: 'custom', input: text, message });
    return z.NEVER;
  }),
]);

/** What the outputs of an `http` stage have anyway. */
const OWN_OUTPUTS: readonly string[] = ['status', 'headers', 'body'];

/** A stage of kind `http`: one request, whose answer becomes the outputs. */
export const http = z
  .strictObject({
    method: z.enum(HTTP_METHODS).default('GET'),
    url: z.string().min(1).max(8192),
    headers: z.record(headerName, scalar).default({}),
    /** Added to the query of the address. */
    query: z.record(z.string().max(1000), scalar).default({}),
    /** Sent as JSON. */
    json: jsonValue.optional(),
    /** Sent as it is. */
    body: z.string().max(HTTP_LIMITS.maxBodyLength).optional(),
    /** Any other status fails the stage. */
    expectStatus: z
      .array(statusRange)
      .min(1)
      .max(100)
      .default([[200, 299]]),
    /** Of the whole request, redirects and body included. */
    timeout: duration.default(60_000),
    followRedirects: z.boolean().default(true),
    /** Headers of the answer that the outputs keep. */
    responseHeaders: z.array(headerName).max(100).default([]),
    /** Further outputs: names to places in the JSON of the answer, as JSON pointers (RFC 6901). */
    outputs: z
      .record(
        identifier('an output').refine((name) => !OWN_OUTPUTS.includes(name), {
          message: 'status, headers and body are outputs anyway; choose another name',
        }),
        z
          .string()
          .max(1000)
          .regex(/^(\/.*)?$/, 'a place in the answer is a JSON pointer such as /data/0/id'),
      )
      .default({}),
    ...agentProgram,
  })
  .check((context) => {
    const { method, url, json, body } = context.value;
    const fault = (key: string, message: string) =>
      context.issues.push({ code: 'custom', input: context.value, path: [key], message });
    if (json !== undefined && body !== undefined) fault('body', 'give "json" or "body", not both');
    if ((json !== undefined || body !== undefined) && (method === 'GET' || method === 'HEAD')) {
      fault(json === undefined ? 'body' : 'json', `a ${method} request has no body; set "method"`);
    }
    if (!url.includes('${{') && !/^https?:\/\//i.test(url)) {
      fault('url', `"${url}" is not an address; it begins with http:// or https://`);
    }
  });
export type HttpDefinition = z.infer<typeof http>;
