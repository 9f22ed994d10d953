import type { Run, StatusCounts } from '@trainyard/protocol';
import { type ReactNode, useState } from 'react';
import ChartsPanel from '../charts/charts-panel.tsx';
import { Split } from '../design/split.tsx';
import { useWide } from '../design/wide.ts';
import DagView from '../graph/dag-view.tsx';
import { StageTable } from '../graph/stage-table.tsx';
import LogPanel from '../log/log-panel.tsx';
import type { SearchChange } from '../routes/run-page.tsx';
import { isTable, type RunSearch } from '../routes/search.ts';
import { texts } from '../texts.ts';
import { EventsPanel } from './events-panel.tsx';
import { Inspector } from './inspector.tsx';
import type { RunModel } from './run-model.ts';
import { SourcePanel } from './source-panel.tsx';

interface PanesProps {
  readonly model: RunModel;
  readonly counts: ReadonlyMap<string, StatusCounts>;
  readonly selected: Run;
  readonly search: RunSearch;
  readonly onSelect: (id: string | undefined) => void;
  readonly onChange: (change: SearchChange) => void;
}

/**
 * Graph, details, charts and log: all four side by side on a wide window, below each other on a narrow one,
 * or a single one in full when its tab is chosen.
 */
export function RunPanes(props: PanesProps) {
  const wide = useWide();
  const tab = props.search.tab ?? 'overview';
  const pane = (name: keyof typeof PANES) => <Pane key={name} name={name} {...props} />;
  if (tab !== 'overview') {
    return (
      <div className="flex min-h-0 flex-1 p-2">
        <Pane name={tab} {...props} />
      </div>
    );
  }
  if (!wide) {
    return (
      <div className="flex flex-col gap-2 p-2">
        {(['graph', 'details', 'charts', 'log'] as const).map((name) => (
          <div key={name} className={`flex ${NARROW_HEIGHT[name]}`}>
            {pane(name)}
          </div>
        ))}
      </div>
    );
  }
  return (
    <div className="flex min-h-0 flex-1 p-2">
      <Split
        direction="column"
        storageKey="split.rows"
        initial={0.5}
        label={texts.run.splitRows}
        first={
          <Split
            direction="row"
            storageKey="split.top"
            initial={0.62}
            label={texts.run.splitColumns}
            first={pane('graph')}
            second={pane('details')}
          />
        }
        second={
          <Split
            direction="row"
            storageKey="split.bottom"
            initial={0.5}
            label={texts.run.splitColumns}
            first={pane('charts')}
            second={pane('log')}
          />
        }
      />
    </div>
  );
}

/** Heights of the panes below each other; details are as high as they need to be. */
const NARROW_HEIGHT = {
  graph: 'h-[45dvh] min-h-64',
  details: '',
  charts: 'h-[60dvh] min-h-72',
  log: 'h-[60dvh] min-h-72',
} as const;

const PANES = {
  graph: GraphPane,
  details: DetailsPane,
  charts: ({ model, selected }: PanesProps) => <ChartsPanel model={model} run={selected} />,
  log: ({ model, selected, search, onChange }: PanesProps) => (
    <LogPanel
      model={model}
      run={selected}
      attempt={search.attempt}
      onAttempt={(attempt) => onChange({ attempt })}
    />
  ),
  events: ({ model, selected }: PanesProps) => <EventsPanel rootId={model.rootId} run={selected} />,
  source: ({ model }: PanesProps) => <SourcePanel rootId={model.rootId} />,
};

function Pane({ name, ...props }: PanesProps & { name: keyof typeof PANES }) {
  const Content = PANES[name];
  return (
    <div className="card relative flex min-h-0 min-w-0 flex-1 overflow-hidden" data-pane={name}>
      <Content {...props} />
    </div>
  );
}

function GraphPane(props: PanesProps) {
  const { model, counts, selected, search, onSelect, onChange } = props;
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const asTable = isTable(search, useWide());
  const selectedId = selected.id === model.rootId ? undefined : selected.id;
  const toggle = (id: string) => {
    const next = new Set(closed);
    if (!next.delete(id)) next.add(id);
    setClosed(next);
  };
  return (
    <div className="relative h-full w-full">
      {asTable ? (
        <StageTable
          model={model}
          counts={counts}
          selectedId={selectedId}
          closed={closed}
          onToggle={toggle}
          onSelect={onSelect}
        />
      ) : (
        <DagView model={model} counts={counts} selectedId={selectedId} onSelect={onSelect} />
      )}
      <ViewSwitch asTable={asTable} onChange={(table) => onChange({ view: table ? 'table' : 'graph' })} />
    </div>
  );
}

function ViewSwitch({ asTable, onChange }: { asTable: boolean; onChange: (table: boolean) => void }) {
  const option = (table: boolean, word: string): ReactNode => (
    <button
      type="button"
      aria-pressed={asTable === table}
      className={`rounded px-2 py-0.5 ${asTable === table ? 'bg-selected font-semibold' : 'text-muted hover:text-ink'}`}
      onClick={() => onChange(table)}
    >
      {word}
    </button>
  );
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset draws a frame of its own.
    <div
      role="group"
      aria-label={texts.graph.viewLabel}
      className={`card absolute z-10 flex gap-0.5 p-0.5 text-[12px] ${asTable ? 'top-1.5 right-2' : 'top-2 left-2'}`}
    >
      {option(false, texts.graph.asGraph)}
      {option(true, texts.graph.asTable)}
    </div>
  );
}

function DetailsPane({ model, counts, selected, onSelect, onChange }: PanesProps) {
  return (
    <Inspector
      model={model}
      run={selected}
      counts={counts.get(selected.id)}
      onSelect={onSelect}
      onShowLog={(attempt) => onChange({ attempt, tab: 'log' })}
    />
  );
}
