import { useQuery } from '@tanstack/react-query';
import type { LiveMessage, Run, RunListItem } from '@trainyard/protocol';
import { useMemo } from 'react';
import { api, queryClient } from '../live/services.ts';
import { useLiveTopic } from '../live/use-live.ts';
import { addEvents, EMPTY_EVENTS, type EventBuffer } from './event-buffer.ts';
import { applyRuns, buildRunModel, type RunModel, rollUp } from './run-model.ts';

/** Messages of one run that arrive within this time are put into the cache together. */
const BATCH_MS = 100;

const treeKey = (rootId: string) => ['tree', rootId] as const;
const eventsKey = (rootId: string) => ['events', rootId] as const;

/** The tree of a run, kept up to date by the live feed. */
export function useRunModel(id: string) {
  return useQuery({
    queryKey: treeKey(id),
    queryFn: ({ signal }) => fetchModel(id, signal),
    staleTime: 30_000,
  });
}

/** How many leaves of each group are in which status. */
export function useRollUp(model: RunModel) {
  return useMemo(() => rollUp(model), [model]);
}

/** The newest events of a root run, filled by the live feed. */
export function useRunEvents(rootId: string): EventBuffer {
  const { data } = useQuery({
    queryKey: eventsKey(rootId),
    queryFn: () => queryClient.getQueryData<EventBuffer>(eventsKey(rootId)) ?? EMPTY_EVENTS,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
  });
  return data ?? EMPTY_EVENTS;
}

/** Subscribes to a root run while its page is open. */
export function useRunFeed(rootId: string | undefined): void {
  const feed = useMemo(() => (rootId === undefined ? undefined : new RunFeed(rootId)), [rootId]);
  useLiveTopic(feed === undefined ? undefined : `run:${feed.rootId}`, {
    request: () => ({ op: 'subscribe_run', rootId: feed?.rootId ?? '', afterSeq: feed?.lastSeq() ?? 0 }),
    onMessage: (message) => feed?.onMessage(message),
    // Statuses may have changed between the tree's answer and this subscription, or while disconnected.
    onSubscribed: () => feed?.refetch(),
  });
}

/** Runs that came live, with the time they came, for requests that were under way then. */
const recent: { atMs: number; run: Run | RunListItem }[] = [];
const RECENT_MS = 30_000;

/** Patches the cache of one root run from live messages. */
class RunFeed {
  readonly rootId: string;
  #runs: (Run | RunListItem)[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(rootId: string) {
    this.rootId = rootId;
  }

  lastSeq(): number {
    return queryClient.getQueryData<EventBuffer>(eventsKey(this.rootId))?.lastSeq ?? 0;
  }

  onMessage(message: LiveMessage): void {
    if (message.type === 'runs') this.#addRuns(message.runs);
    else if (message.type === 'events') this.#addEvents(message.events);
    else if (message.type === 'gap') {
      this.refetch();
      void this.#fetchMissedEvents();
    }
  }

  /** A request that is under way is given up: its answer may be older than this subscription. */
  refetch(): void {
    const queryKey = treeKey(this.rootId);
    void queryClient.cancelQueries({ queryKey }).then(() => queryClient.invalidateQueries({ queryKey }));
  }

  #addRuns(runs: readonly (Run | RunListItem)[]): void {
    const atMs = performance.now();
    for (const run of runs) recent.push({ atMs, run });
    while (recent[0] !== undefined && recent[0].atMs < atMs - RECENT_MS) recent.shift();
    this.#runs.push(...runs);
    this.#timer ??= setTimeout(() => this.#flush(), BATCH_MS);
  }

  #flush(): void {
    this.#timer = undefined;
    const runs = this.#runs;
    this.#runs = [];
    const model = queryClient.getQueryData<RunModel>(treeKey(this.rootId));
    if (model === undefined) return;
    const result = applyRuns(model, runs);
    queryClient.setQueryData(treeKey(this.rootId), result.model);
    if (result.unknown) this.refetch();
    for (const run of runs) void queryClient.invalidateQueries({ queryKey: ['run-parts', run.id] });
  }

  #addEvents(events: Parameters<typeof addEvents>[1]): void {
    queryClient.setQueryData<EventBuffer>(eventsKey(this.rootId), (now) =>
      addEvents(now ?? EMPTY_EVENTS, events),
    );
  }

  async #fetchMissedEvents(): Promise<void> {
    for (let page = 0; page < 50; page += 1) {
      const answer = await api.listEvents(this.rootId, { afterSeq: this.lastSeq(), limit: 500 });
      if (answer.items.length === 0) return;
      this.#addEvents(answer.items);
    }
  }
}

/**
 * Reads the tree. Changes that came live while the request was under way are applied on top: the answer
 * may be older than they are.
 */
async function fetchModel(id: string, signal: AbortSignal): Promise<RunModel> {
  const startMs = performance.now();
  const model = buildRunModel(await api.getTree(id, { signal }));
  const since = recent.filter((entry) => entry.atMs >= startMs && model.runs.has(entry.run.id));
  return since.length === 0
    ? model
    : applyRuns(
        model,
        since.map((entry) => entry.run),
      ).model;
}
