import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Pool } from 'pg';
import { z } from 'zod';
import { sendArtifact } from '../../artifacts/send-artifact.ts';
import { takeBodiesAsTheyCome } from '../../artifacts/streamed-bodies.ts';
import type { ServerContext } from '../../server-context.ts';
import { findModelOwner, findReadOwner, findWriteOwner } from '../../store/artifact-owners.ts';
import { type ArtifactOwner, findArtifact, removeArtifacts } from '../../store/artifacts.ts';
import { type ArtifactPlace, artifactPlace, requireValidPath } from './artifact-place.ts';
import { artifactFiles } from './artifact-view.ts';
import { answerMlflowError, MlflowRefusal, missingValue } from './mlflow-error.ts';

const PREFIXES = ['/api/2.0/mlflow-artifacts', '/ajax-api/2.0/mlflow-artifacts'] as const;
/** Of an upload by the page; MLflow's own limit. */
const PAGE_UPLOAD_BYTES = 10 * 1024 * 1024;

const anyQuery = z.record(z.string(), z.union([z.string(), z.array(z.string())]));

/** MLflow's artifact service, on the artifacts of runs; and the downloads and uploads of its page. */
export function mlflowArtifactRoutes(context: ServerContext) {
  return async (app: FastifyInstance): Promise<void> => {
    takeBodiesAsTheyCome(app);
    app.setErrorHandler((error: MlflowRefusal, request, reply) =>
      answerMlflowError(error, reply, () => request.log.error({ err: error }, 'request failed')),
    );
    for (const prefix of PREFIXES) {
      proxyRoutes(app, context, prefix);
      unsupportedRoutes(app, prefix);
    }
    pageRoutes(app, context);
  };
}

function proxyRoutes(app: FastifyInstance, context: ServerContext, prefix: string): void {
  const { artifacts, database } = context;
  const { pool } = database;
  const read = { config: { access: 'read' }, schema: { hide: true } } as const;
  const write = { config: { access: 'write', streamedBody: true }, schema: { hide: true } } as const;
  const wildcard = ({ params }: FastifyRequest): string => (params as { '*': string })['*'];

  app.get(`${prefix}/artifacts`, read, async (request, reply) => {
    const asked = queryText(request, 'path') ?? '';
    if (asked.replace(/\/+$/, '') === '') return sendJson(reply, {});
    const place = artifactPlace(asked);
    const files = await artifactFiles(pool, (await readOwner(pool, place)).id, place.path);
    // Names alone, which the client puts behind the path that it asked for.
    const named = files.map((file) => ({ ...file, path: file.path.slice(file.path.lastIndexOf('/') + 1) }));
    return sendJson(reply, named.length === 0 ? {} : { files: named });
  });
  app.get(`${prefix}/artifacts/*`, read, async (request, reply) => {
    const place = artifactPlace(wildcard(request));
    return sendFile(context, (await readOwner(pool, place)).id, place.path, request, reply);
  });
  app.put(`${prefix}/artifacts/*`, write, async (request, reply) => {
    const place = artifactPlace(wildcard(request));
    requireValidPath(place.path);
    const owner = await writeOwner(pool, place);
    await artifacts.put({ owner, path: place.path, bytes: request.raw });
    return sendJson(reply, {});
  });
  app.delete(`${prefix}/artifacts/*`, write, async (request, reply) => {
    const place = artifactPlace(wildcard(request));
    requireValidPath(place.path);
    const owner = await writeOwner(pool, place);
    if ((await removeArtifacts(pool, owner.id, place.path)) === 0) throw noArtifact(owner.id, place.path);
    return sendJson(reply, {});
  });
}

function readOwner(pool: Pool, { kind, id }: ArtifactPlace): Promise<ArtifactOwner> {
  return kind === 'model' ? findModelOwner(pool, id) : findReadOwner(pool, id);
}

function writeOwner(pool: Pool, { kind, id }: ArtifactPlace): Promise<ArtifactOwner> {
  return kind === 'model' ? findModelOwner(pool, id) : findWriteOwner(pool, id);
}

/** Clients ask whether these work, and send whole files when they do not. */
function unsupportedRoutes(app: FastifyInstance, prefix: string): void {
  const refuse = async (): Promise<never> => {
    throw new MlflowRefusal(
      'NOT_IMPLEMENTED',
      'Multipart uploads and presigned addresses are not supported; send the file itself.',
    );
  };
  for (const step of ['create', 'complete', 'abort']) {
    app.post(`${prefix}/mpu/${step}/*`, { config: { access: 'write' }, schema: { hide: true } }, refuse);
  }
  app.get(`${prefix}/presigned/*`, { config: { access: 'read' }, schema: { hide: true } }, refuse);
}

/** Of MLflow's page, and of older clients. */
function pageRoutes(app: FastifyInstance, context: ServerContext): void {
  const { pool } = context.database;
  const read = { config: { access: 'read' }, schema: { hide: true, querystring: anyQuery } } as const;
  for (const url of ['/get-artifact', '/ajax-api/2.0/mlflow/get-artifact', '/api/2.0/mlflow/get-artifact']) {
    app.get(url, read, async (request, reply) => {
      const { runId, path } = runAndPath(request);
      const owner = await findReadOwner(pool, runId);
      return sendFile(context, owner.id, path, request, reply);
    });
  }
  app.post(
    '/ajax-api/2.0/mlflow/upload-artifact',
    { config: { access: 'write', streamedBody: true }, schema: { hide: true, querystring: anyQuery } },
    async (request, reply) => {
      const { runId, path } = runAndPath(request);
      const length = request.headers['content-length'];
      if (length === undefined || !(Number(length) <= PAGE_UPLOAD_BYTES)) {
        throw new MlflowRefusal(
          'INVALID_PARAMETER_VALUE',
          `Artifact size is too large. Max size is ${PAGE_UPLOAD_BYTES / 1024 / 1024} MB.`,
        );
      }
      if (Number(length) === 0) throw new MlflowRefusal('INVALID_PARAMETER_VALUE', 'Request must have data.');
      const owner = await findWriteOwner(pool, runId);
      await context.artifacts.put({ owner, path, bytes: request.raw });
      return sendJson(reply, {});
    },
  );
}

async function sendFile(
  { artifacts, database }: ServerContext,
  ownerId: string,
  path: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  requireValidPath(path);
  const found = await findArtifact(database.pool, ownerId, path);
  if (found === undefined) throw noArtifact(ownerId, path);
  return sendArtifact(artifacts, found, request, reply);
}

/** @throws MlflowRefusal */
function runAndPath(request: FastifyRequest): { readonly runId: string; readonly path: string } {
  const runId = queryText(request, 'run_id') ?? queryText(request, 'run_uuid');
  if (runId === undefined || runId === '') throw missingValue('run_uuid');
  const path = queryText(request, 'path');
  if (path === undefined || path === '') throw missingValue('path');
  requireValidPath(path);
  return { runId, path };
}

function queryText({ query }: FastifyRequest, name: string): string | undefined {
  const value = (query as Record<string, unknown>)[name];
  const last: unknown = Array.isArray(value) ? value.at(-1) : value;
  return typeof last === 'string' ? last : undefined;
}

function sendJson(reply: FastifyReply, answer: object): FastifyReply {
  return reply.type('application/json').send(JSON.stringify(answer));
}

function noArtifact(ownerId: string, path: string): MlflowRefusal {
  return new MlflowRefusal('RESOURCE_DOES_NOT_EXIST', `'${ownerId}' has no artifact at '${path}'.`);
}
