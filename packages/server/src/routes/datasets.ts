import { plainRow } from '@trainyard/datasets';
import {
  countAnswer,
  DATASET_API_LIMITS,
  type DatasetVersionDetails,
  datasetDetailsPage,
  datasetLineage,
  datasetName,
  datasetSql,
  datasetSummary,
  datasetVersionDetails,
  listDatasetsQuery,
  listVersionsQuery,
  newDatasetName,
  previewAnswer,
  profileAnswer,
  registerDatasetVersion,
  sqlAnswer,
  TrainyardError,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { DatasetsOnDisk } from '../datasets-on-disk.ts';
import type { ServerContext } from '../server-context.ts';
import { createDatasetVersionStore, type DatasetVersionStore } from '../store/dataset-versions.ts';

const nameParams = z.object({ name: datasetName });
const newNameParams = z.object({ name: newDatasetName });
const versionParams = z.object({
  name: datasetName,
  version: z
    .string()
    .regex(/^(?:latest|[0-9a-f]{6,64})$/, 'a version is "latest" or at least 6 digits of its SHA-256'),
});

/** Dataset versions: recorded by runs or registered, with what is in them and how they came to be. */
export function datasetRoutes({ database, datasets: disk }: ServerContext): FastifyPluginAsyncZod {
  const store = createDatasetVersionStore(database);
  return async (app) => {
    app.get(
      '/datasets',
      {
        config: { access: 'read' },
        schema: { tags: ['datasets'], querystring: listDatasetsQuery, response: { 200: datasetDetailsPage } },
      },
      (request) => store.list(request.query),
    );
    app.get(
      '/datasets/:name',
      {
        config: { access: 'read' },
        schema: { tags: ['datasets'], params: nameParams, response: { 200: datasetSummary } },
      },
      (request) => store.summary(request.params.name),
    );
    app.get(
      '/datasets/:name/versions',
      {
        config: { access: 'read' },
        schema: {
          tags: ['datasets'],
          params: nameParams,
          querystring: listVersionsQuery,
          response: { 200: datasetDetailsPage },
        },
      },
      (request) => store.list({ ...request.query, name: request.params.name }),
    );
    app.post(
      '/datasets/:name/versions',
      {
        config: { access: 'write' },
        schema: {
          tags: ['datasets'],
          params: newNameParams,
          body: registerDatasetVersion,
          response: { 200: datasetVersionDetails, 201: datasetVersionDetails },
        },
      },
      async (request, reply) => {
        const { name } = request.params;
        checkStoredSizes(request.body);
        const { isNew } = await store.register(name, request.body);
        return reply.status(isNew ? 201 : 200).send(await store.find(name, request.body.sha256));
      },
    );
    app.get(
      '/datasets/:name/versions/:version',
      {
        config: { access: 'read' },
        schema: { tags: ['datasets'], params: versionParams, response: { 200: datasetVersionDetails } },
      },
      (request) => store.find(request.params.name, request.params.version),
    );
    app.get(
      '/datasets/:name/versions/:version/lineage',
      {
        config: { access: 'read' },
        schema: { tags: ['datasets'], params: versionParams, response: { 200: datasetLineage } },
      },
      async (request) => {
        const { name, sha256 } = await store.find(request.params.name, request.params.version);
        return store.lineage(name, sha256);
      },
    );
    await app.register(contentRoutes(store, disk));
  };
}

/** What is in a version: from its file where this server may read it, else from what was registered. */
function contentRoutes(store: DatasetVersionStore, disk: DatasetsOnDisk): FastifyPluginAsyncZod {
  const rows = z.coerce.number().int().min(0).max(DATASET_API_LIMITS.previewRows).default(20);
  return async (app) => {
    app.get(
      '/datasets/:name/versions/:version/preview',
      {
        config: { access: 'read' },
        schema: {
          tags: ['datasets'],
          params: versionParams,
          querystring: z.object({ rows }),
          response: { 200: previewAnswer },
        },
      },
      async (request) => {
        const version = await store.find(request.params.name, request.params.version);
        const read = await disk.use(version, async (dataset) => ({
          columns: [...(await dataset.schema()).columns],
          rows: (await dataset.preview(request.query.rows)).map(plainRow),
        }));
        if (read !== undefined) return { ...(read as z.input<typeof previewAnswer>), from: 'file' as const };
        const { preview } = await store.registered(version.name, version.sha256);
        if (preview === null) throw notHere(version);
        return { ...preview, rows: preview.rows.slice(0, request.query.rows), from: 'registered' as const };
      },
    );
    app.get(
      '/datasets/:name/versions/:version/profile',
      {
        config: { access: 'read' },
        schema: { tags: ['datasets'], params: versionParams, response: { 200: profileAnswer } },
      },
      async (request) => {
        const version = await store.find(request.params.name, request.params.version);
        const { profile } = await store.registered(version.name, version.sha256);
        if (profile !== null) return { ...profile, from: 'registered' as const };
        const read = await disk.use(version, (dataset) => dataset.profile());
        if (read === undefined) throw notHere(version);
        return { ...(read as z.input<typeof profileAnswer>), from: 'file' as const };
      },
    );
    app.get(
      '/datasets/:name/versions/:version/count',
      {
        config: { access: 'read' },
        schema: { tags: ['datasets'], params: versionParams, response: { 200: countAnswer } },
      },
      async (request) => {
        const version = await store.find(request.params.name, request.params.version);
        const read = await disk.use(version, (dataset) => dataset.count());
        if (read !== undefined) return { rows: read, from: 'file' as const };
        if (version.rows === null) throw notHere(version);
        return { rows: version.rows, from: 'registered' as const };
      },
    );
    app.post(
      '/datasets/:name/versions/:version/sql',
      {
        config: { access: 'read' },
        schema: { tags: ['datasets'], params: versionParams, body: datasetSql, response: { 200: sqlAnswer } },
      },
      async (request) => {
        const version = await store.find(request.params.name, request.params.version);
        const { sql, limit: maxRows } = request.body;
        const result = await disk.use(version, (dataset) => dataset.sql(sql, { maxRows }));
        if (result === undefined) throw notHere(version);
        return { ...result, columns: [...result.columns], rows: result.rows.map(plainRow) } as z.input<
          typeof sqlAnswer
        >;
      },
    );
  };
}

function checkStoredSizes({ profile, preview }: z.output<typeof registerDatasetVersion>): void {
  for (const [what, value] of Object.entries({ profile, preview })) {
    if (value === undefined || JSON.stringify(value).length <= DATASET_API_LIMITS.storedBytes) continue;
    throw new TrainyardError(
      'TOO_LARGE',
      `The ${what} has more than ${DATASET_API_LIMITS.storedBytes} bytes; leave columns or rows out.`,
    );
  }
}

function notHere({ name, path }: DatasetVersionDetails): TrainyardError {
  return new TrainyardError(
    'CONFLICT',
    `This server cannot read "${name}": ${path} is not on its machine, or not in a directory of --datasets-dir. Ask where the file is, or register it from there: trainyard datasets register ${path} --name ${name}`,
  );
}
