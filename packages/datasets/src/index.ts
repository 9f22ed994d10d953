export type { Column } from './column.ts';
export { DATASET_LIMITS, QUERY_LIMITS } from './dataset-limits.ts';
export { type DatasetValue, type PlainValue, plainRow, plainValue, type Row } from './dataset-value.ts';
export type { ColumnProfile } from './duckdb/profile-columns.ts';
export type { QueryLimits, QueryResult } from './duckdb/run-query.ts';
export { type WrittenColumn, writeParquet } from './duckdb/write-parquet.ts';
export {
  type AddressGuard,
  AddressRefused,
  guardedLookup,
  isPublicAddress,
  type PrivateHosts,
  refusePrivateLiteral,
} from './fetch/address-guard.ts';
export type { FetchOptions } from './fetch/fetch-options.ts';
export { type Dataset, type DatasetOptions, openDataset } from './open-dataset.ts';
export type { DatasetProfile } from './query-dataset.ts';
export type { DatasetSchema } from './read/format-reader.ts';
export { type DatasetKind, type FileFormat, formatByName } from './source/dataset-kind.ts';
export type { SplitChoice } from './source/hugging-face.ts';
