import { type RunStatus, readRunStatus } from '@trainyard/protocol';

export interface RunsSearch {
  status?: RunStatus;
  name?: string;
}

export const RUN_TABS = ['overview', 'graph', 'details', 'charts', 'log', 'events', 'source'] as const;
export type RunTab = (typeof RUN_TABS)[number];

export type StageView = 'graph' | 'table';

export interface RunSearch {
  /** Path of the selected stage, for example "sweep/large". */
  stage?: string;
  tab?: RunTab;
  /** Stages as table or as graph; without it the width of the window decides. */
  view?: StageView;
  attempt?: number;
}

/** Reads the address of the list; what is not understood is left out. */
export function readRunsSearch(search: Record<string, unknown>): RunsSearch {
  const status = typeof search['status'] === 'string' ? readRunStatus(search['status']) : undefined;
  // The router reads "?name=12" as a number; a name is a text.
  const name = search['name'] === undefined ? '' : String(search['name']).slice(0, 100);
  return { ...(status === undefined ? {} : { status }), ...(name === '' ? {} : { name }) };
}

/** Reads the address of a run page. */
export function readRunSearch(search: Record<string, unknown>): RunSearch {
  const stage = search['stage'] === undefined ? '' : String(search['stage']);
  const tab = RUN_TABS.find((known) => known === search['tab']);
  const attempt = Number(search['attempt']);
  return {
    ...(stage === '' ? {} : { stage }),
    ...(tab === undefined || tab === 'overview' ? {} : { tab }),
    ...(search['view'] === 'table' || search['view'] === 'graph' ? { view: search['view'] } : {}),
    ...(Number.isInteger(attempt) && attempt > 0 ? { attempt } : {}),
  };
}

/** On a narrow window the nodes of a graph are too small to be touched, so the table comes first there. */
export function isTable(search: RunSearch, wide: boolean): boolean {
  return search.view === undefined ? !wide : search.view === 'table';
}
