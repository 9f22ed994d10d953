import type { Run, RunStatus, StatusCounts } from '@trainyard/protocol';
import { Handle, type Node, type NodeProps, Position } from '@xyflow/react';
import { memo } from 'react';
import { Icon } from '../design/icons.tsx';
import { StatusIcon, statusWord } from '../design/status.tsx';
import { StatusBar, StatusCountList } from '../design/status-bar.tsx';
import { Duration } from '../design/time.tsx';
import { waitsForPerson } from '../runs/approval-form.ts';
import { texts } from '../texts.ts';

export interface NodeActions {
  readonly select: (id: string) => void;
  readonly toggle: (id: string, open: boolean) => void;
}

interface NodeData extends Record<string, unknown> {
  readonly actions: NodeActions;
  readonly selected: boolean;
}
export type StageNode = Node<NodeData & { readonly run: Run }, 'stage'>;
export type GroupNode = Node<
  NodeData & {
    readonly run: Run;
    readonly counts: StatusCounts;
    readonly total: number;
    readonly open: boolean;
  },
  'group'
>;
export type BundleNode = Node<NodeData & { readonly counts: StatusCounts; readonly total: number }, 'bundle'>;
export type FlowNode = StageNode | GroupNode | BundleNode;

/** Components of the three kinds of node, as React Flow wants them. */
export const NODE_TYPES = {
  stage: memo(StageBox),
  group: memo(GroupBox),
  bundle: memo(BundleBox),
};

function StageBox({ data }: NodeProps<StageNode>) {
  const { run, selected, actions } = data;
  const forPerson = waitsForPerson(run);
  const word = statusWord(run.status, forPerson);
  return (
    <>
      <Ends />
      <button
        type="button"
        data-run={run.id}
        aria-pressed={selected}
        aria-label={`${run.name}, ${word}`}
        className={`${frame(run.status, selected)} flex h-full w-full items-center gap-2.5 px-3 text-left`}
        onClick={() => actions.select(run.id)}
      >
        <StatusIcon status={run.status} forPerson={forPerson} size={18} />
        <span className="min-w-0 flex-1">
          <span className="block truncate font-medium">{run.name}</span>
          <span className="flex gap-1.5 overflow-hidden text-[11.5px] whitespace-nowrap text-muted">
            <span className={`st-${run.status} text-(--st)`}>{word}</span>
            {run.startedAt !== null && <Duration of={run} />}
            {run.attempt > 1 && <span>· {texts.graph.attempt(run.attempt)}</span>}
            {originOf(run) !== undefined && <span>· {originOf(run)}</span>}
            {run.item !== null && <span className="truncate">· {itemText(run.item.value)}</span>}
          </span>
        </span>
      </button>
    </>
  );
}

/** Work of another run that this one took over. */
function originOf({ keptFrom, cachedFrom }: Run): string | undefined {
  if (keptFrom !== undefined) return texts.graph.kept;
  return cachedFrom === undefined ? undefined : texts.graph.cached;
}

function itemText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function GroupBox({ data }: NodeProps<GroupNode>) {
  const { run, counts, total, open, selected, actions } = data;
  return (
    <>
      <Ends />
      <div className={`${frame(run.status, selected)} h-full w-full ${open ? 'bg-sunken/70' : ''}`}>
        <div className="flex h-10 items-center gap-1 pr-3 pl-1.5">
          <button
            type="button"
            aria-expanded={open}
            aria-label={open ? texts.common.collapse(run.name) : texts.common.expand(run.name)}
            className="grid size-6 place-items-center rounded text-muted hover:bg-hover hover:text-ink"
            onClick={() => actions.toggle(run.id, !open)}
          >
            <Icon name="chevron" size={13} className={open ? 'rotate-90' : ''} />
          </button>
          <button
            type="button"
            data-run={run.id}
            aria-pressed={selected}
            aria-label={`${run.name}, ${statusWord(run.status)}, ${texts.graph.group(total)}`}
            className="flex h-full min-w-0 flex-1 items-center gap-2 text-left"
            onClick={() => actions.select(run.id)}
            onDoubleClick={() => actions.toggle(run.id, !open)}
          >
            <StatusIcon status={run.status} size={16} />
            <span className="truncate font-medium">{run.name}</span>
            <span className="ml-auto text-[11.5px] whitespace-nowrap text-muted">
              {run.startedAt === null ? texts.graph.group(total) : <Duration of={run} />}
            </span>
          </button>
        </div>
        {!open && (
          <div className="px-3">
            <StatusBar counts={counts} />
            <div className="mt-1.5 text-[11.5px] text-muted">
              <StatusCountList counts={counts} />
            </div>
          </div>
        )}
      </div>
    </>
  );
}

function BundleBox({ data }: NodeProps<BundleNode>) {
  return (
    <>
      <Ends />
      <div
        title={texts.graph.bundleHint}
        className="h-full w-full rounded-lg border border-dashed border-line-strong bg-surface px-3 py-1.5"
      >
        <div className="mb-1.5 font-medium">{texts.graph.bundle(data.total)}</div>
        <StatusBar counts={data.counts} />
        <div className="mt-1 h-4 overflow-hidden text-[11.5px] text-muted">
          <StatusCountList counts={data.counts} />
        </div>
      </div>
    </>
  );
}

/** Edges need a place to end; nobody draws new ones. */
function Ends() {
  return (
    <>
      <Handle type="target" position={Position.Left} isConnectable={false} className="invisible!" />
      <Handle type="source" position={Position.Right} isConnectable={false} className="invisible!" />
    </>
  );
}

const LIVELY: readonly RunStatus[] = ['running', 'starting', 'failed', 'timed_out', 'waiting', 'cancelling'];

function frame(status: RunStatus, selected: boolean): string {
  const edge = selected
    ? 'border-accent ring-2 ring-accent/35'
    : LIVELY.includes(status)
      ? 'border-(--st)/60'
      : 'border-line-strong';
  const dim = status === 'pending' || status === 'skipped' ? 'border-dashed' : '';
  // React Flow takes pointer events from nodes that it does not manage itself; ours are buttons.
  return `st-${status} pointer-events-auto rounded-lg border bg-surface ${edge} ${dim}`;
}
