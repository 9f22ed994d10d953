import { type InfiniteData, useInfiniteQuery } from '@tanstack/react-query';
import type { Page } from '@trainyard/client';
import { isTerminalRunStatus, type Run, type RunListItem, type RunStatus } from '@trainyard/protocol';
import { useEffect, useMemo, useRef } from 'react';
import { api, queryClient } from '../live/services.ts';
import { useLiveTopic } from '../live/use-live.ts';

const PAGE_SIZE = 50;
/** Least time between two readings of the list that live messages ask for. */
const REFRESH_MS = 1000;
/** A safety net for pages with active runs; the live feed is what normally changes them. */
const ACTIVE_POLL_MS = 15_000;

/** Pages of root runs for a filter, patched by the live feed. */
export function useRunList(filter: { status?: RunStatus; name?: string }) {
  const queryKey = ['runs', filter.status ?? null, filter.name ?? null] as const;
  const query = useInfiniteQuery<Page<RunListItem>, Error, Pages, readonly (string | null)[], string | null>({
    queryKey,
    queryFn: ({ pageParam, signal }) =>
      api.listRuns({
        ...filter,
        limit: PAGE_SIZE,
        ...(pageParam === null ? {} : { cursor: pageParam }),
        signal,
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.nextCursor,
    placeholderData: (before) => before,
    refetchInterval: (current) => pollMs(current.state.data as Pages | undefined),
  });
  const refresh = useThrottled(() => void queryClient.invalidateQueries({ queryKey }), REFRESH_MS);
  useLiveTopic('list', {
    request: () => ({ op: 'subscribe_list' }),
    onMessage: (message) => {
      if (message.type === 'gap') refresh();
      if (message.type !== 'runs') return;
      const data = queryClient.getQueryData<Pages>(queryKey);
      if (data === undefined) return;
      queryClient.setQueryData<Pages>(queryKey, patch(data, message.runs));
      // A new run, or one that leaves or enters the filter: the server knows its place.
      if (message.runs.some((run) => filter.status !== undefined || isNew(data, run))) refresh();
    },
    onSubscribed: refresh,
  });
  const runs = useMemo(() => distinct(query.data), [query.data]);
  return { ...query, runs };
}

type Pages = InfiniteData<Page<RunListItem>, string | null>;

function patch(data: Pages, changed: readonly Run[]): Pages {
  const byId = new Map(changed.map((run) => [run.id, run]));
  return {
    ...data,
    pages: data.pages.map((page) => ({
      ...page,
      items: page.items.map((item) => ({ ...item, ...byId.get(item.id) })),
    })),
  };
}

/** Newer than everything shown. An older run that is not shown belongs to a page that is not loaded. */
function isNew(data: Pages, run: Run): boolean {
  const newest = data.pages[0]?.items[0];
  return newest === undefined || run.createdAt > newest.createdAt;
}

/** Calls at once, and then at most once per interval, the last call included. */
function useThrottled(action: () => void, intervalMs: number): () => void {
  const latest = useRef(action);
  useEffect(() => {
    latest.current = action;
  });
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const wanted = useRef(false);
  useEffect(() => () => clearTimeout(timer.current), []);
  return useMemo(() => {
    const call = () => {
      if (timer.current !== undefined) {
        wanted.current = true;
        return;
      }
      latest.current();
      timer.current = setTimeout(() => {
        timer.current = undefined;
        if (wanted.current) {
          wanted.current = false;
          call();
        }
      }, intervalMs);
    };
    return call;
  }, [intervalMs]);
}

/** A run can be on two pages for a moment, when new ones move the pages between two readings. */
function distinct(data: Pages | undefined): RunListItem[] {
  const seen = new Map<string, RunListItem>();
  for (const page of data?.pages ?? [])
    for (const item of page.items) if (!seen.has(item.id)) seen.set(item.id, item);
  return [...seen.values()];
}

function pollMs(data: Pages | undefined): number | false {
  const active = data?.pages.some((page) => page.items.some((item) => !isTerminalRunStatus(item.status)));
  return active === true ? ACTIVE_POLL_MS : false;
}
