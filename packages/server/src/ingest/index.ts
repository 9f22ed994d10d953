export { createIngest, type Ingest, type IngestProblem } from './append.ts';
export { exportLogBytes, exportLogText } from './export-log.ts';
export { toMetricNumber } from './metric-number.ts';
export type { Points } from './points.ts';
export { MAX_CHART_BUCKETS, MAX_CHART_SERIES, readChart } from './read-chart.ts';
export { type LatestValue, readLatest, readLatestOfTree } from './read-latest.ts';
export { logSize, MAX_LOG_LINES, MAX_LOG_READ_BYTES, readLogBytes, readLogLines } from './read-log.ts';
export { readPoints } from './read-points.ts';
export { readRecent } from './read-recent.ts';
