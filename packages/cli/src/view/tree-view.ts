import {
  formatDurationMs,
  isTerminalRunStatus,
  type Run,
  type RunStatus,
  type RunTree,
} from '@trainyard/protocol';
import { byName, skipCause } from './skip-cause.ts';
import { type Style, statusIcon, statusPaint } from './style.ts';

export interface TreeViewInput {
  readonly tree: RunTree;
  /** What to show at the end of a run's line, by run id. */
  readonly notes: ReadonlyMap<string, string>;
  readonly nowMs: number;
  /** Columns and lines that may be used. */
  readonly width: number;
  readonly height: number;
  /** Counts up with each drawing; `undefined` draws no spinners. */
  readonly frame?: number | undefined;
  readonly style: Style;
}

interface Row {
  readonly run: RunTree;
  readonly level: number;
  readonly parent: number;
  /** Of a skipped run: the stage because of which. */
  readonly cause: RunTree | undefined;
}

/**
 * Lines of the live view, the root first. When the tree has more lines than fit, what failed and what is at
 * work comes first, in the tree's order, and the last line counts the rest.
 */
export function renderTree(input: TreeViewInput): string[] {
  const rows = listRows(input.tree);
  const isWhole = rows.length <= input.height;
  const shown = isWhole ? rows.map((_, index) => index) : chooseRows(rows, Math.max(1, input.height - 1));
  const nameWidth = Math.min(40, Math.max(...shown.map((index) => labelOf(rows[index]!).length)));
  const lines = shown.map((index) => renderRow(rows[index]!, nameWidth, input));
  if (!isWhole) lines.push(clip([[restLine(rows, new Set(shown)), input.style.dim]], input.width));
  return lines;
}

/** Time that a run took so far, or in all; empty before it started. */
export function runDuration(run: Pick<Run, 'startedAt' | 'endedAt'>, nowMs: number): string {
  if (run.startedAt === null) return '';
  const endMs = run.endedAt === null ? nowMs : Date.parse(run.endedAt);
  return formatDurationMs(Math.max(0, endMs - Date.parse(run.startedAt)));
}

/** Text of others on one line, without the control characters that could move the cursor. */
export function oneLine(text: string): string {
  return text
    .trim()
    .replaceAll(/\s*\n\s*/g, ' ⏎ ')
    .replaceAll(/\p{Cc}+/gu, ' ');
}

/** The message of an error on one line, its time limit written for people. */
export function errorMessage(error: NonNullable<Run['error']>): string {
  return oneLine(error.message).replace(
    /\b(no end after|deadline of) (\d+) ms\b/,
    (_, words: string, limitMs: string) => `${words} ${formatDurationMs(Number(limitMs))}`,
  );
}

/** The error of a run on one line, with the stage it came from. */
export function errorText(error: NonNullable<Run['error']>): string {
  const message = errorMessage(error);
  return error.path === undefined || message.includes(error.path)
    ? message
    : `${message} (stage ${error.path})`;
}

function listRows(tree: RunTree): Row[] {
  const rows: Row[] = [];
  const open: Row[] = [{ run: tree, level: 0, parent: -1, cause: undefined }];
  for (let row = open.pop(); row !== undefined; row = open.pop()) {
    const index = rows.push(row) - 1;
    const siblings = byName(row.run.children);
    for (const run of [...row.run.children].reverse()) {
      open.push({ run, level: row.level + 1, parent: index, cause: skipCause(run, siblings) });
    }
  }
  return rows;
}

/** Lower comes first when there is no room for all. */
const URGENCY: Readonly<Record<RunStatus, number>> = {
  failed: 0,
  timed_out: 0,
  running: 1,
  starting: 1,
  cancelling: 1,
  paused: 2,
  waiting: 2,
  queued: 3,
  cancelled: 4,
  pending: 5,
  skipped: 6,
  completed: 7,
  stopped: 7,
};

function chooseRows(rows: readonly Row[], room: number): number[] {
  const chosen = new Set<number>([0]);
  const byUrgency = rows
    .map((_, index) => index)
    .sort((a, b) => URGENCY[rows[a]!.run.status] - URGENCY[rows[b]!.run.status] || a - b);
  for (const index of byUrgency) {
    if (chosen.size >= room) break;
    const needed: number[] = [];
    for (let at = index; at > 0 && !chosen.has(at); at = rows[at]!.parent) needed.push(at);
    // A stage is shown under the pipelines that it is in, or not at all.
    if (chosen.size + needed.length <= room) for (const each of needed) chosen.add(each);
  }
  return [...chosen].sort((a, b) => a - b);
}

function restLine(rows: readonly Row[], shown: ReadonlySet<number>): string {
  const counts = new Map<RunStatus, number>();
  let total = 0;
  for (const [index, { run }] of rows.entries()) {
    if (shown.has(index)) continue;
    total += 1;
    counts.set(run.status, (counts.get(run.status) ?? 0) + 1);
  }
  const parts = [...counts].map(([status, count]) => `${count} ${status}`);
  return `… ${total} more: ${parts.join(', ')}`;
}

function labelOf({ run, level }: Row): string {
  return `${'  '.repeat(level)}${run.name}`;
}

type Segment = readonly [text: string, paint?: (text: string) => string];

function renderRow(row: Row, nameWidth: number, input: TreeViewInput): string {
  const { style, nowMs, frame, width, notes } = input;
  const { run, level } = row;
  const paint = statusPaint(run.status, style);
  const indent = '  '.repeat(level);
  const name = run.name.padEnd(Math.max(0, nameWidth - indent.length));
  const isPipeline = run.children.length > 0;
  const segments: Segment[] = [
    [indent],
    [`${statusIcon(run.status, frame)} `, paint],
    [name, isPipeline ? style.bold : (text) => text],
    [`  ${run.status.padEnd(10)}`, paint],
    [runDuration(run, nowMs).padStart(9), style.dim],
    [noteOf(row, notes), isTerminalRunStatus(run.status) ? style.dim : (text) => text],
  ];
  return clip(segments, width).trimEnd();
}

function noteOf({ run, cause }: Row, notes: ReadonlyMap<string, string>): string {
  const parts: string[] = [];
  if (run.item !== null) parts.push(itemText(run.item.value));
  if (run.attempt > 1) parts.push(`attempt ${run.attempt}`);
  const note = notes.get(run.id);
  if (note !== undefined) parts.push(note);
  if (run.decision !== undefined) parts.push(decisionText(run.decision));
  // A pipeline's error repeats that of the stage below it.
  else if (run.error !== null && run.children.length === 0) parts.push(errorMessage(run.error));
  else if ((run.status === 'skipped' || run.status === 'pending') && run.reason !== null)
    parts.push(oneLine(cause === undefined ? run.reason : `${run.reason}: ${cause.name}`));
  if (run.keptFrom !== undefined) parts.push(`kept from ${run.keptFrom}`);
  else if (run.cachedFrom !== undefined) parts.push(`cached from ${run.cachedFrom}`);
  return parts.length === 0 ? '' : `  ${parts.join('  ')}`;
}

/** Who decided an approval, what, when and why. */
function decisionText({ decision, by, at, comment }: NonNullable<Run['decision']>): string {
  const why = comment === null || comment === '' ? '' : `: ${oneLine(comment)}`;
  return `${decision} by ${by === null ? 'its timeout' : oneLine(by)} at ${at}${why}`;
}

/** Long values are cut: the whole one is in `runs show --json`. */
function itemText(value: unknown): string {
  const text = oneLine(typeof value === 'string' ? value : JSON.stringify(value));
  return text.length > MAX_ITEM_LENGTH ? `${text.slice(0, MAX_ITEM_LENGTH - 1)}…` : text;
}

const MAX_ITEM_LENGTH = 40;

/** Joins segments and cuts them to a width, counted without the colours. */
function clip(segments: readonly Segment[], width: number): string {
  let room = width;
  let line = '';
  for (const [text, paint] of segments) {
    if (room <= 0) break;
    const kept = text.length <= room ? text : `${text.slice(0, room - 1)}…`;
    room -= kept.length;
    line += paint === undefined ? kept : paint(kept);
  }
  return line;
}
