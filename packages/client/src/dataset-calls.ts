import type {
  DatasetCountAnswer,
  DatasetLineage,
  DatasetPreviewAnswer,
  DatasetProfileAnswer,
  DatasetSqlAnswer,
  DatasetSummary,
  DatasetVersionDetails,
  RegisterDatasetVersion,
} from '@trainyard/protocol';
import type { CallOptions, Page } from './client.ts';
import { type ConnectionOptions, type HttpRequest, sendForJson } from './http.ts';

interface PageOptions extends CallOptions {
  readonly cursor?: string;
  readonly limit?: number;
}

/** Dataset versions. A version is `latest` or the first digits of its SHA-256. */
export function datasetCalls(connection: ConnectionOptions) {
  const json = <T>(request: HttpRequest) => sendForJson<T>(connection, request);
  return {
    /** Versions of all datasets, or of one, newest first. */
    listDatasets: ({ signal, ...query }: PageOptions & { readonly name?: string } = {}) =>
      json<Page<DatasetVersionDetails>>({ path: '/api/v1/datasets', query, signal }),

    getDataset: (name: string, options: CallOptions = {}) =>
      json<DatasetSummary>({ path: datasetPath(name), ...options }),

    listDatasetVersions: (name: string, { signal, ...query }: PageOptions = {}) =>
      json<Page<DatasetVersionDetails>>({ path: `${datasetPath(name)}/versions`, query, signal }),

    getDatasetVersion: (name: string, version: string, options: CallOptions = {}) =>
      json<DatasetVersionDetails>({ path: versionPath(name, version), ...options }),

    /** Makes a version, or adds to what is known of it. */
    registerDatasetVersion: (name: string, body: RegisterDatasetVersion, options: CallOptions = {}) =>
      json<DatasetVersionDetails>({
        method: 'POST',
        path: `${datasetPath(name)}/versions`,
        json: body,
        ...options,
      }),

    previewDataset: (
      name: string,
      version: string,
      { signal, ...query }: CallOptions & { rows?: number } = {},
    ) => json<DatasetPreviewAnswer>({ path: versionPath(name, version, 'preview'), query, signal }),

    profileDataset: (name: string, version: string, options: CallOptions = {}) =>
      json<DatasetProfileAnswer>({ path: versionPath(name, version, 'profile'), ...options }),

    countDataset: (name: string, version: string, options: CallOptions = {}) =>
      json<DatasetCountAnswer>({ path: versionPath(name, version, 'count'), ...options }),

    /** One SELECT on the table `data`. */
    queryDataset: (
      name: string,
      version: string,
      body: { readonly sql: string; readonly limit?: number },
      options: CallOptions = {},
    ) =>
      json<DatasetSqlAnswer>({
        method: 'POST',
        path: versionPath(name, version, 'sql'),
        json: body,
        ...options,
      }),

    /** Which runs made and used a version, and what else they made and used. */
    datasetLineage: (name: string, version: string, options: CallOptions = {}) =>
      json<DatasetLineage>({ path: versionPath(name, version, 'lineage'), ...options }),
  };
}

function datasetPath(name: string): string {
  return `/api/v1/datasets/${encodeURIComponent(name)}`;
}

function versionPath(name: string, version: string, part?: string): string {
  const path = `${datasetPath(name)}/versions/${encodeURIComponent(version)}`;
  return part === undefined ? path : `${path}/${part}`;
}
