import swagger from '@fastify/swagger';
import { ERRORS, type ErrorCode, event, jsonValue, runTree, VERSION } from '@trainyard/protocol';
import type { FastifyInstance, FastifySchema } from 'fastify';
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Access } from './auth/auth.ts';

/** Schemas that are named in the document: those that contain themselves have to be, others read better so. */
const named = z.registry<{ id: string }>();
named.add(runTree, { id: 'RunTree' });
named.add(event, { id: 'Event' });
named.add(jsonValue, { id: 'JsonValue' });

const codes = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]];
const errorAnswer = z
  .object({
    error: z.object({
      code: z.enum(codes),
      message: z.string(),
      details: z.unknown().optional(),
      docs: z.string(),
    }),
  })
  .describe(
    'Any error: its code names the cause (see the catalogue of errors), its message says what to do.',
  );

const transformZod = createJsonSchemaTransform({ schemaRegistry: named });

/** Serves the OpenAPI document of all routes that are added after it, each with the error it may answer. */
export async function registerOpenApi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Trainyard',
        version: VERSION,
        description: 'Training pipelines, runs, metrics and logs.',
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transform: (document) => {
      const access = document.route.config?.access;
      const schema = complete(document.schema, access);
      return transformZod({ ...document, schema } as Parameters<typeof transformZod>[0]) as {
        schema: FastifySchema;
        url: string;
      };
    },
    transformObject: createJsonSchemaTransformObject({ schemaRegistry: named }),
  });
}

/** Adds to a route's own schema what is the same for all: the error, who may call it, an answer as text. */
function complete(schema: FastifySchema | undefined, access: Access | undefined) {
  if (schema?.hide === true || schema?.tags === undefined) return { hide: true };
  const { response = { 200: TEXT }, ...rest } = schema;
  return {
    ...rest,
    ...(access === undefined ? {} : { 'x-access': access }),
    ...(access === 'public' ? { security: [] } : {}),
    response: { ...(response as object), default: errorAnswer },
  };
}

const TEXT = { description: 'Text.', content: { 'text/plain': { schema: z.string() } } };
