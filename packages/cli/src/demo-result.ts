import type { MetricLatest, MetricNumber, RunTree } from '@trainyard/protocol';
import { descend } from './find-run.ts';
import { formatMetric, latestNotes } from './view/metric-notes.ts';
import { type Style, statusIcon, statusPaint } from './view/style.ts';
import { table } from './view/table.ts';
import { runDuration } from './view/tree-view.ts';

/** The document that `demo --json` prints. */
export interface DemoResult {
  readonly id: string;
  readonly name: string;
  readonly status: RunTree['status'];
  readonly error: RunTree['error'];
  readonly durationMs: number | null;
  /** What the stage `select` decided, as it wrote it; null when it did not get that far. */
  readonly chosen: { readonly model: string; readonly accuracy: number } | null;
  readonly stages: readonly DemoStage[];
  /** Address of the run's page. */
  readonly page: string;
}

interface DemoStage {
  readonly id: string;
  readonly path: string;
  readonly status: RunTree['status'];
  readonly durationMs: number | null;
  readonly duration: string;
  readonly metrics: Readonly<Record<string, MetricNumber>>;
  readonly note: string;
}

type Latest = MetricLatest & { readonly runId: string };

export function demoResult(tree: RunTree, metrics: readonly Latest[], page: string): DemoResult {
  const notes = latestNotes(metrics);
  const stages = [...descend(tree)].slice(1).map((run) => ({
    id: run.id,
    path: run.path,
    status: run.status,
    durationMs: durationMs(run),
    duration: runDuration(run, Date.now()),
    metrics: Object.fromEntries(
      metrics.filter((item) => item.runId === run.id).map((item) => [item.key, item.value]),
    ),
    note: notes.get(run.id) ?? '',
  }));
  return {
    id: tree.id,
    name: tree.name,
    status: tree.status,
    error: tree.error,
    durationMs: durationMs(tree),
    chosen: chosenModel(tree),
    stages,
    page,
  };
}

export function demoText(result: DemoResult, style: Style): string {
  const rows = result.stages.map((stage) => [
    stage.path,
    statusPaint(stage.status, style)(`${statusIcon(stage.status)} ${stage.status}`),
    stage.duration,
    stage.note,
  ]);
  const parts = [table(['stage', 'status', 'took', 'last metrics'], rows)];
  if (result.chosen !== null) {
    const accuracy = style.bold(formatMetric(result.chosen.accuracy));
    parts.push(
      `chosen model: ${style.bold(result.chosen.model)}, accuracy ${accuracy} on digits that no training has seen\n`,
    );
  }
  if (result.error !== null) parts.push(`${style.red(result.error.message)}\n`);
  parts.push(
    `pipeline ${result.name}: ${statusPaint(result.status, style)(result.status)}, page: ${result.page}\n`,
  );
  return `\n${parts.join('\n')}`;
}

function durationMs(run: RunTree): number | null {
  if (run.startedAt === null || run.endedAt === null) return null;
  return Date.parse(run.endedAt) - Date.parse(run.startedAt);
}

/** Reads the outputs of `select`: a name and a number, whatever else there is. */
function chosenModel(tree: RunTree): DemoResult['chosen'] {
  const outputs = tree.children.find((child) => child.name === 'select')?.outputs;
  if (typeof outputs !== 'object' || outputs === null) return null;
  const fields = outputs as Record<string, unknown>;
  const model = fields['name'];
  const accuracy = fields['accuracy'];
  return typeof model === 'string' && typeof accuracy === 'number' ? { model, accuracy } : null;
}
