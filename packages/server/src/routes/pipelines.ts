import type { IncomingHttpHeaders } from 'node:http';
import {
  listPipelinesQuery,
  listPipelineVersionsQuery,
  type PipelineVersion,
  page,
  pipelineDiff,
  pipelineDiffQuery,
  pipelineRegistered,
  pipelineVersion,
  pipelineVersionInfo,
  pipelineVersionRef,
  registeredPipeline,
  registerPipeline,
  renderedPipeline,
  runPipeline,
  runPlan,
  TrainyardError,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { diffDefinitions, resolveParams } from '../definition/index.ts';
import { readDefinitionToRegister, readRegisteredDefinition } from '../pipelines/read-submitted.ts';
import { planRegistered, submitRegistered } from '../pipelines/submit-registered.ts';
import type { ServerContext } from '../server-context.ts';
import { createPipelineStore } from '../store/pipelines.ts';
import { idempotencyKey } from './idempotency-key.ts';
import { bearerToken } from './route-access.ts';

const nameParams = z.object({ name: z.string().max(100) });
const versionParams = nameParams.extend({ version: pipelineVersionRef });
const runStarted = z.object({ id: z.string(), version: z.int() });

/** Pipelines that are registered by name: their versions, and runs of them. */
export function pipelineRoutes(context: ServerContext): FastifyPluginAsyncZod {
  const { maxDepth } = context;
  const pipelines = createPipelineStore(context.database);
  return async (app) => {
    app.put(
      '/pipelines/:name',
      {
        config: { access: 'write' },
        schema: {
          tags: ['pipelines'],
          params: nameParams,
          body: registerPipeline,
          response: { 200: pipelineRegistered, 201: pipelineRegistered },
        },
      },
      async (request, reply) => {
        const { body, headers } = request;
        const definition = await readDefinitionToRegister(body, { pipelines, maxDepth });
        refuseOtherName(request.params.name, definition.name);
        const token = bearerToken(request);
        const { version, isNew } = await pipelines.register(
          {
            ...definition,
            baseDir: body.baseDir ?? null,
            fileName: body.fileName ?? null,
            note: body.note ?? null,
            createdBy: token === undefined ? null : await context.auth.nameOf(token),
          },
          body.expectedVersion ?? expectedByHeader(headers),
        );
        return reply
          .header('etag', `"${version.version}"`)
          .status(isNew ? 201 : 200)
          .send({ ...version, isNew });
      },
    );

    app.get(
      '/pipelines',
      {
        config: { access: 'read' },
        schema: {
          tags: ['pipelines'],
          querystring: listPipelinesQuery,
          response: { 200: page(registeredPipeline) },
        },
      },
      (request) => pipelines.list(request.query),
    );

    app.get(
      '/pipelines/:name',
      {
        config: { access: 'read' },
        schema: { tags: ['pipelines'], params: nameParams, response: { 200: registeredPipeline } },
      },
      async (request, reply) => {
        const found = await pipelines.get(request.params.name);
        return reply.header('etag', `"${found.latestVersion}"`).send(found);
      },
    );

    app.get(
      '/pipelines/:name/versions',
      {
        config: { access: 'read' },
        schema: {
          tags: ['pipelines'],
          params: nameParams,
          querystring: listPipelineVersionsQuery,
          response: { 200: page(pipelineVersionInfo) },
        },
      },
      (request) => pipelines.versions(request.params.name, request.query),
    );

    app.get(
      '/pipelines/:name/versions/:version',
      {
        config: { access: 'read' },
        schema: { tags: ['pipelines'], params: versionParams, response: { 200: pipelineVersion } },
      },
      (request) => pipelines.find(request.params.name, request.params.version),
    );

    app.get(
      '/pipelines/:name/diff',
      {
        config: { access: 'read' },
        schema: {
          tags: ['pipelines'],
          params: nameParams,
          querystring: pipelineDiffQuery,
          response: { 200: pipelineDiff },
        },
      },
      async (request) => {
        const { name } = request.params;
        const [from, to] = await Promise.all([
          pipelines.find(name, request.query.from),
          pipelines.find(name, request.query.to),
        ]);
        return diffDefinitions(compared(from), compared(to));
      },
    );

    app.post(
      '/pipelines/:name/runs',
      {
        config: { access: 'write' },
        schema: {
          tags: ['pipelines'],
          params: nameParams,
          body: runPipeline.default({ version: 'latest', params: {} }),
          response: { 200: z.union([runStarted, runPlan]), 201: runStarted },
        },
      },
      async (request, reply) => {
        const { dryRun, ...asked } = request.body;
        const run = {
          name: request.params.name,
          ...asked,
          idempotencyKey: idempotencyKey(request.headers),
        };
        if (dryRun === true) return reply.status(200).send(await planRegistered(context, run));
        const { id, version, isNew } = await submitRegistered(context, run);
        return reply.status(isNew ? 201 : 200).send({ id, version });
      },
    );

    app.post(
      '/pipelines/:name/render',
      {
        config: { access: 'read' },
        schema: {
          tags: ['pipelines'],
          params: nameParams,
          body: runPipeline.default({ version: 'latest', params: {} }),
          response: { 200: renderedPipeline },
        },
      },
      async (request) => {
        const { body } = request;
        const { name, version, source } = await pipelines.findForRun(request.params.name, body.version);
        const ready = await readRegisteredDefinition({ name, version, source }, { pipelines, maxDepth });
        const params = resolveParams(ready.definition, body.params);
        const { uses, definition } = ready;
        return { name, version, params, uses: [...uses], source: ready.source, definition };
      },
    );

    app.post(
      '/pipelines/:name/archive',
      {
        config: { access: 'write' },
        schema: { tags: ['pipelines'], params: nameParams, response: { 200: registeredPipeline } },
      },
      (request) => pipelines.archive(request.params.name),
    );

    app.delete(
      '/pipelines/:name',
      {
        config: { access: 'write' },
        schema: { tags: ['pipelines'], params: nameParams, response: { 204: z.null() } },
      },
      async (request, reply) => {
        await pipelines.delete(request.params.name);
        return reply.status(204).send(null);
      },
    );
  };
}

function refuseOtherName(wanted: string, found: string): void {
  if (wanted === found) return;
  throw new TrainyardError(
    'INVALID_REQUEST',
    `The definition is named "${found}", the address says "${wanted}": a pipeline is registered by its own name.`,
  );
}

function compared(version: PipelineVersion) {
  return { ...version, label: `${version.name}@${version.version}` };
}

/** `If-Match: "3"` expects version 3, `If-None-Match: *` none at all. */
function expectedByHeader(headers: IncomingHttpHeaders): number | undefined {
  const match = headers['if-match'];
  if (match !== undefined) {
    const version = /^\s*(?:W\/)?"?(\d{1,9})"?\s*$/.exec(match)?.[1];
    if (version !== undefined) return Number(version);
    const message = `If-Match must be a version such as "3" (the ETag of the pipeline), found ${match}`;
    throw new TrainyardError('INVALID_REQUEST', message);
  }
  return headers['if-none-match']?.trim() === '*' ? 0 : undefined;
}
