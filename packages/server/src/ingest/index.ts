export {
  type Append,
  type Appended,
  createIngest,
  type Ingest,
  type IngestOptions,
  type IngestProblem,
} from './append.ts';
export { toMetricNumber } from './metric-number.ts';
export type { Points } from './points.ts';
export { type ChartRequest, MAX_CHART_BUCKETS, MAX_CHART_SERIES, readChart } from './read-chart.ts';
export { type LatestValue, readLatest, readLatestOfTree } from './read-latest.ts';
export {
  type LogLine,
  type LogLines,
  type LogPart,
  logSize,
  MAX_LOG_LINES,
  MAX_LOG_READ_BYTES,
  readLogBytes,
  readLogLines,
} from './read-log.ts';
export { MAX_POINTS_PER_READ, type PointsQuery, readPoints } from './read-points.ts';
