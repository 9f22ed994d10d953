import type { DatasetVersion, FindingInfo, MetricLatest, RefusedLines, RunTree } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { descend } from '../find-run.ts';
import { adviceLines, type Exclusions, otherFailures } from './failure-text.ts';
import { latestNotes } from './metric-notes.ts';
import { refusedText } from './refused-lines.ts';
import { byName, skipCause } from './skip-cause.ts';
import { errorText, oneLine, renderTree, runDuration } from './tree-view.ts';

/** The document that `runs show --json` prints; its keys are fixed (packages/cli/README.md). */
export interface RunDocument {
  readonly id: string;
  readonly kind: string;
  readonly name: string;
  readonly status: string;
  readonly error: RunTree['error'];
  /** Of an item of a foreach stage only. */
  readonly item?: RunTree['item'];
  readonly params: RunTree['params'];
  readonly outputs: unknown;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  /** Only of a run of a registered pipeline. */
  readonly pipeline?: RunTree['pipeline'];
  /** Only of a re-run: the run that it does again. */
  readonly rerunOf?: string;
  /** Only of a stage that did not run: the run that produced its results. */
  readonly keptFrom?: string;
  /** Only of a cached stage that did not run: the run that had given the result before. */
  readonly cachedFrom?: string;
  /** Only of an approval that was decided: what, by whom (null: the timeout), when and why. */
  readonly decision?: RunTree['decision'];
  /** Only of a stage that was skipped: why, and the stage of its level because of which. */
  readonly skipped?: { readonly reason: string | null; readonly upstream: string | null };
  readonly children: RunDocument[];
}

export function runDocument(run: RunTree, siblings: ReadonlyMap<string, RunTree> = new Map()): RunDocument {
  const { id, kind, name, status, error, item, params, startedAt, endedAt } = run;
  const outputs = run.outputs ?? null;
  const level = byName(run.children);
  const children = run.children.map((child) => runDocument(child, level));
  const upstream = skipCause(run, siblings)?.name ?? null;
  const own = { id, kind, name, status, error, ...(item !== null && { item }) };
  return {
    ...own,
    params,
    outputs,
    startedAt,
    endedAt,
    ...originOf(run),
    ...(status === 'skipped' && { skipped: { reason: run.reason, upstream } }),
    children,
  };
}

/** What is told only of runs that have it. */
function originOf({
  pipeline,
  rerunOf,
  keptFrom,
  cachedFrom,
  decision,
}: RunTree): Pick<RunDocument, 'pipeline' | 'rerunOf' | 'keptFrom' | 'cachedFrom' | 'decision'> {
  return {
    ...(pipeline === undefined ? {} : { pipeline }),
    ...(rerunOf === undefined ? {} : { rerunOf }),
    ...(keptFrom === undefined ? {} : { keptFrom }),
    ...(cachedFrom === undefined ? {} : { cachedFrom }),
    ...(decision === undefined ? {} : { decision }),
  };
}

export interface RunFacts {
  readonly tree: RunTree;
  readonly metrics: readonly (MetricLatest & { readonly runId: string })[];
  /** Why queued jobs are not taken, by run id. */
  readonly queueNotes: ReadonlyMap<string, string>;
  readonly datasets: readonly DatasetVersion[];
  /** What is open in their metrics. */
  readonly findings: readonly FindingInfo[];
  readonly exclusions: Exclusions;
  /** Lines of their metrics that could not be read. */
  readonly refused: readonly RefusedLines[];
  /** Path and text of the table of each job that recorded epochs. */
  readonly epochs: readonly { readonly path: string; readonly text: string }[];
}

/** The whole tree for people, with its metrics (last values, and by epoch) and the dataset versions. */
export function showText(
  { tree, metrics, queueNotes, datasets, epochs, findings, refused, exclusions }: RunFacts,
  context: Pick<CliContext, 'outStyle'>,
): string {
  const style = context.outStyle;
  const lines = renderTree({
    tree,
    notes: new Map([...latestNotes(metrics), ...queueNotes]),
    nowMs: Date.now(),
    width: 1000,
    height: Number.POSITIVE_INFINITY,
    style,
  });
  const facts = [
    `${style.bold(tree.name)}  ${tree.id}`,
    `status    ${statusText(tree)}${tree.reason === null ? '' : ` (${oneLine(tree.reason)})`}`,
    `started   ${tree.startedAt ?? 'not yet'}`,
    `took      ${runDuration(tree, Date.now()) || '-'}`,
  ];
  if (tree.pipeline !== undefined) facts.push(`pipeline  ${tree.pipeline.name}@${tree.pipeline.version}`);
  if (tree.rerunOf !== undefined) facts.push(`re-run of ${tree.rerunOf}`);
  if (tree.error !== null)
    facts.push(`error     ${style.red(errorText(tree.error))}`, ...adviceLines(tree, exclusions));
  if (Object.keys(tree.params).length > 0) facts.push(`params    ${JSON.stringify(tree.params)}`);
  const parts = [facts.join('\n'), lines.join('\n')];
  const others = otherFailures(tree, exclusions);
  if (others !== '') parts.push(others);
  if (findings.length > 0) parts.push(findingText(findings, context));
  if (refused.length > 0) parts.push(refusedText(refused));
  for (const { path, text } of epochs)
    parts.push(`${path === '' ? tree.name : path}, by epoch\n${indent(text)}`);
  if (datasets.length > 0) parts.push(datasetText(datasets));
  return `${parts.join('\n\n')}\n`;
}

/** A group counts as paused at once; its programs come to stand still one by one, or when their host is back. */
function statusText(tree: RunTree): string {
  if (tree.status !== 'paused') return tree.status;
  const left = [...descend(tree)].filter(
    ({ kind, status }) => kind === 'job' && (status === 'starting' || status === 'running'),
  ).length;
  return left === 0
    ? tree.status
    : `pausing, ${left} ${left === 1 ? 'job does' : 'jobs do'} not stand still yet`;
}

function indent(text: string): string {
  return text.trimEnd().replace(/^/gm, '  ');
}

function findingText(findings: readonly FindingInfo[], { outStyle }: Pick<CliContext, 'outStyle'>): string {
  const lines = findings.map(({ path, severity, rule, message, action }) => {
    const what = `${severity} ${rule}${action === 'stop' ? ' (ended the job)' : ''}`;
    return `  ${path === '' ? '' : `${path}  `}${outStyle.yellow(what)}  ${oneLine(message)}`;
  });
  return ['findings', ...lines].join('\n');
}

function datasetText(datasets: readonly DatasetVersion[]): string {
  const lines = datasets.map((dataset) => {
    const rows = dataset.rows === null ? '' : `  ${dataset.rows} rows`;
    return `  ${dataset.name}  sha256:${dataset.sha256.slice(0, 12)}  ${dataset.sizeBytes} bytes${rows}  ${dataset.path}`;
  });
  return ['datasets', ...lines].join('\n');
}
