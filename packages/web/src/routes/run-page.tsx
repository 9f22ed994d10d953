import { Navigate, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { type Run, TrainyardError } from '@trainyard/protocol';
import { useCallback, useMemo } from 'react';
import { LoadError, Loading } from '../design/feedback.tsx';
import { useKeys } from '../design/keys.ts';
import { usePageTitle } from '../design/page-title.ts';
import { useWide } from '../design/wide.ts';
import { RunHeader } from '../runs/run-header.tsx';
import { findByPath, type RunModel } from '../runs/run-model.ts';
import { RunPanes } from '../runs/run-panes.tsx';
import { useRollUp, useRunFeed, useRunModel } from '../runs/use-run.ts';
import { WaitingBanner } from '../runs/waiting-banner.tsx';
import { texts } from '../texts.ts';
import { Missing } from './message-pages.tsx';
import { isTable, type RunSearch } from './search.ts';

/** One run tree: graph, details, charts and log of what is selected, live. */
export function RunPage() {
  const { runId } = useParams({ from: '/runs/$runId' });
  const search: RunSearch = useSearch({ from: '/runs/$runId' });
  const { data: model, error, refetch } = useRunModel(runId);
  const root = model?.runs.get(model.rootId);
  useRunFeed(root?.parentId === null ? root.id : undefined);
  if (model === undefined || root === undefined) {
    if (error instanceof TrainyardError && error.httpStatus === 404)
      return <Missing title={texts.run.notFound} />;
    if (error === null) return <Loading />;
    return (
      <div className="p-4">
        <LoadError error={error} onRetry={() => void refetch()} />
      </div>
    );
  }
  if (root.parentId !== null) {
    // The page is always that of the whole tree, with the stage selected.
    return (
      <Navigate
        to="/runs/$runId"
        params={{ runId: root.rootId }}
        search={{ ...search, stage: root.path }}
        replace
      />
    );
  }
  return <LoadedRun model={model} root={root} search={search} />;
}

function LoadedRun({ model, root, search }: { model: RunModel; root: Run; search: RunSearch }) {
  const counts = useRollUp(model);
  const change = useChangeSearch();
  const wide = useWide();
  const selected = useMemo(
    () => (search.stage === undefined ? root : (findByPath(model, search.stage) ?? root)),
    [model, search.stage, root],
  );
  const select = useCallback(
    (id: string | undefined) => {
      const path = id === undefined ? undefined : model.runs.get(id)?.path;
      change({ stage: path === '' ? undefined : path, attempt: undefined });
    },
    [model, change],
  );
  usePageTitle(`${root.name} · ${texts.status[root.status]}`);
  useRunKeys(model, selected, select, () => change({ view: isTable(search, wide) ? 'graph' : 'table' }));
  // All but the stacked overview of a narrow window fit the window and scroll inside their panes.
  const fixed = wide || search.tab !== undefined;
  return (
    <div className={`flex min-h-0 flex-col ${fixed ? 'h-[calc(100dvh-44px)] min-h-[440px]' : ''}`}>
      <RunHeader root={root} counts={counts.get(root.id) ?? {}} search={search} />
      <WaitingBanner model={model} counts={counts.get(root.id) ?? {}} onSelect={select} />
      <RunPanes
        model={model}
        counts={counts}
        selected={selected}
        search={search}
        onSelect={select}
        onChange={change}
      />
    </div>
  );
}

export type SearchChange = { readonly [Key in keyof RunSearch]?: RunSearch[Key] | undefined };

/** Changes some of the address's fields; `undefined` takes one out. */
function useChangeSearch(): (change: SearchChange) => void {
  const navigate = useNavigate({ from: '/runs/$runId' });
  return useCallback(
    (change) =>
      void navigate({
        search: (now: RunSearch) => {
          const entries = Object.entries({ ...now, ...change }).filter(([, value]) => value !== undefined);
          return Object.fromEntries(entries) as RunSearch;
        },
        replace: !('tab' in change),
        resetScroll: false,
      }),
    [navigate],
  );
}

function useRunKeys(
  model: RunModel,
  selected: Run,
  select: (id: string | undefined) => void,
  toggleView: () => void,
): void {
  const move = (by: number) => {
    const at = model.order.indexOf(selected.id) + by;
    const next = model.order[Math.min(model.order.length - 1, Math.max(0, at))];
    if (next !== undefined) select(next);
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    v: toggleView,
    ['Escape']: () => select(undefined),
  });
}
