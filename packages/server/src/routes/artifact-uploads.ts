import {
  ARTIFACT_LIMITS,
  artifact,
  artifactUpload,
  beginArtifactUpload,
  completeArtifactUpload,
  TrainyardError,
  uploadedPart,
  uploadPartQuery,
} from '@trainyard/protocol';
import type { FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { takeBodiesAsTheyCome } from '../artifacts/streamed-bodies.ts';
import type { Access } from '../auth/auth.ts';
import type { ServerContext } from '../server-context.ts';
import { findWriteOwner } from '../store/artifact-owners.ts';
import { attemptOf } from './attempt-access.ts';

const idParams = z.object({ id: z.string().max(100) });

/** Files that come in parts: by people and programs into runs, by agents into the run of an attempt. */
export function artifactUploadRoutes(context: ServerContext): FastifyPluginAsyncZod {
  const { artifacts, attempts, database } = context;
  return async (app) => {
    app.post(
      '/runs/:id/artifacts/uploads',
      {
        config: { access: 'write' },
        schema: {
          tags: ['artifacts'],
          description: `Begins an upload in parts of at most ${ARTIFACT_LIMITS.partBytes} bytes. It may be gone on with for three days.`,
          params: idParams,
          body: beginArtifactUpload,
          response: { 201: artifactUpload },
        },
      },
      async (request, reply) => {
        const owner = await findWriteOwner(database.pool, request.params.id);
        return reply.status(201).send(await artifacts.begin(owner, request.body));
      },
    );
    await app.register(
      partRoutes(context, {
        prefix: '/artifact-uploads',
        access: 'write',
        tag: 'artifacts',
        check: async () => {},
      }),
    );

    app.post(
      '/attempts/:id/artifacts/uploads',
      {
        // Authorised by the attempt's own token, below.
        config: { access: 'public' },
        schema: {
          tags: ['agents'],
          params: idParams,
          body: beginArtifactUpload,
          response: { 201: artifactUpload },
        },
      },
      async (request, reply) => {
        const { runId, rootId } = await attemptOf(attempts, request, request.params.id);
        return reply.status(201).send(await artifacts.begin({ id: runId, rootId }, request.body));
      },
    );
    const check = async (request: FastifyRequest, ownerId: string): Promise<void> => {
      const { attempt } = request.params as { attempt: string };
      const { runId } = await attemptOf(attempts, request, attempt);
      if (runId === ownerId) return;
      throw new TrainyardError('FORBIDDEN', `Attempt ${attempt} is of another run than this upload.`);
    };
    await app.register(
      partRoutes(context, {
        prefix: '/attempts/:attempt/artifact-uploads',
        access: 'public',
        tag: 'agents',
        check,
      }),
    );
  };
}

interface PartAccess {
  readonly prefix: string;
  readonly access: Access;
  readonly tag: string;
  /** @throws when the request may not touch uploads of that run */
  check(request: FastifyRequest, ownerId: string): Promise<void>;
}

function partRoutes(
  { artifacts }: ServerContext,
  { prefix, access, tag, check }: PartAccess,
): FastifyPluginAsyncZod {
  const tags = [tag];
  const params = prefix.includes(':attempt') ? idParams.extend({ attempt: z.string().max(100) }) : idParams;
  const checked = async (request: FastifyRequest): Promise<string> => {
    const { id } = request.params as { id: string };
    await check(request, (await artifacts.find(id)).owner.id);
    return id;
  };
  return async (app) => {
    app.get(
      `${prefix}/:id`,
      { config: { access }, schema: { tags, params, response: { 200: artifactUpload } } },
      async (request) => artifacts.upload(await checked(request)),
    );
    app.post(
      `${prefix}/:id/complete`,
      {
        config: { access },
        schema: { tags, params, body: completeArtifactUpload, response: { 200: artifact } },
      },
      async (request) => artifacts.complete(await checked(request), request.body.sha256),
    );
    app.delete(
      `${prefix}/:id`,
      { config: { access }, schema: { tags, params, response: { 204: z.null() } } },
      async (request, reply) => {
        await artifacts.abort(await checked(request));
        return reply.status(204).send(null);
      },
    );
    await app.register(async (parts: typeof app) => {
      takeBodiesAsTheyCome(parts);
      parts.put(
        `${prefix}/:id`,
        {
          config: { access, streamedBody: true },
          schema: {
            tags,
            description:
              'Adds bytes. What is there already is passed over; where bytes before the offset are missing, the answer is STREAM_GAP with the size that is there.',
            consumes: ['application/octet-stream'],
            params,
            querystring: uploadPartQuery,
            response: { 200: uploadedPart },
          },
        },
        async (request) => {
          const id = await checked(request);
          const { offset } = request.query;
          return { receivedBytes: await artifacts.append({ id, offset, bytes: request.raw }) };
        },
      );
    });
  };
}
