import {
  artifact,
  artifactList,
  artifactVersionQuery,
  artifactVersions,
  listArtifactsQuery,
  removedArtifacts,
  TrainyardError,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { sendArtifact } from '../artifacts/send-artifact.ts';
import { takeBodiesAsTheyCome } from '../artifacts/streamed-bodies.ts';
import type { ServerContext } from '../server-context.ts';
import { findReadOwner, findWriteOwner } from '../store/artifact-owners.ts';
import {
  artifactsInFolder,
  cursorOf,
  findArtifact,
  removeArtifacts,
  artifactVersions as versionsOf,
} from '../store/artifacts.ts';
import { artifactUploadRoutes } from './artifact-uploads.ts';

const TAGS = ['artifacts'];
const idParams = z.object({ id: z.string().max(100) });

/** Files of runs: listed, read, written whole, deleted; and written in parts, in a file of its own. */
export function artifactRoutes(context: ServerContext): FastifyPluginAsyncZod {
  const { pool } = context.database;
  return async (app) => {
    app.get(
      '/runs/:id/artifacts',
      {
        config: { access: 'read' },
        schema: {
          tags: TAGS,
          description: 'What lies directly in a folder: files, each in its newest version, and folders.',
          params: idParams,
          querystring: listArtifactsQuery,
          response: { 200: artifactList },
        },
      },
      async (request) => {
        const { path: folder, cursor: after, limit } = request.query;
        const owner = await findReadOwner(pool, request.params.id);
        const found = await artifactsInFolder(pool, owner.id, { folder, after, limit: limit + 1 });
        const items = found.slice(0, limit);
        return { items, nextCursor: found.length > limit ? cursorOf(items.at(-1)!) : null };
      },
    );

    app.get(
      '/runs/:id/artifacts/versions',
      {
        config: { access: 'read' },
        schema: {
          tags: TAGS,
          params: idParams,
          querystring: artifactVersionQuery.pick({ path: true }),
          response: { 200: artifactVersions },
        },
      },
      async (request) => {
        const { path } = request.query;
        const owner = await findReadOwner(pool, request.params.id);
        const items = await versionsOf(pool, owner.id, path);
        if (items.length === 0) throw noFile(owner.id, path);
        return { items };
      },
    );

    app.get(
      '/runs/:id/artifacts/file',
      {
        config: { access: 'read' },
        schema: {
          tags: TAGS,
          description: 'The bytes of a file, or with a Range header a part of them.',
          params: idParams,
          querystring: artifactVersionQuery,
        },
      },
      async (request, reply) => {
        const { path, version } = request.query;
        const owner = await findReadOwner(pool, request.params.id);
        const found = await findArtifact(pool, owner.id, path, version);
        if (found === undefined) throw noFile(owner.id, path, version);
        return sendArtifact(context.artifacts, found, request, reply);
      },
    );

    app.delete(
      '/runs/:id/artifacts',
      {
        config: { access: 'write' },
        schema: {
          tags: TAGS,
          description: 'A file with all its versions, or a folder with all that is in it.',
          params: idParams,
          querystring: artifactVersionQuery.pick({ path: true }),
          response: { 200: removedArtifacts },
        },
      },
      async (request) => {
        const { path } = request.query;
        const owner = await findWriteOwner(pool, request.params.id);
        const removed = await removeArtifacts(pool, owner.id, path);
        if (removed === 0) throw noFile(owner.id, path);
        return { removed };
      },
    );
    await app.register(wholeFileRoutes(context));
    await app.register(artifactUploadRoutes(context));
  };
}

function wholeFileRoutes({ artifacts, database }: ServerContext): FastifyPluginAsyncZod {
  return async (app) => {
    takeBodiesAsTheyCome(app);
    app.put(
      '/runs/:id/artifacts/file',
      {
        config: { access: 'write', streamedBody: true },
        schema: {
          tags: TAGS,
          description:
            'The body becomes the newest version of the path. One that breaks off is not kept; large files are better sent in parts.',
          consumes: ['application/octet-stream'],
          params: idParams,
          querystring: artifactVersionQuery.pick({ path: true }),
          response: { 200: artifact },
        },
      },
      async (request) => {
        const owner = await findWriteOwner(database.pool, request.params.id);
        return artifacts.put({ owner, path: request.query.path, bytes: request.raw });
      },
    );
  };
}

function noFile(ownerId: string, path: string, version?: number): TrainyardError {
  const what = version === undefined ? `"${path}"` : `version ${version} of "${path}"`;
  return new TrainyardError(
    'NOT_FOUND',
    `${ownerId} has no artifact ${what}. What it has: trainyard artifacts list ${ownerId}`,
  );
}
