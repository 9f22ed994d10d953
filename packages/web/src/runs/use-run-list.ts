import { useInfiniteQuery } from '@tanstack/react-query';
import type { Page } from '@trainyard/client';
import { isTerminalRunStatus, type RunListItem, type RunStatus } from '@trainyard/protocol';
import { useEffect, useMemo, useRef } from 'react';
import { api, queryClient } from '../live/services.ts';
import { useLiveTopic } from '../live/use-live.ts';
import { distinct, isNew, type ListPages, patchPages } from './list-pages.ts';

const PAGE_SIZE = 50;
/** Least time between two readings of the list that live messages ask for. */
const REFRESH_MS = 1000;
/** A safety net for pages with active runs; the live feed is what normally changes them. */
const ACTIVE_POLL_MS = 15_000;

/** Pages of root runs for a filter, patched by the live feed. */
export function useRunList(filter: { status?: RunStatus; name?: string }) {
  const queryKey = ['runs', filter.status ?? null, filter.name ?? null] as const;
  const query = useInfiniteQuery<
    Page<RunListItem>,
    Error,
    ListPages,
    readonly (string | null)[],
    string | null
  >({
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
    refetchInterval: (current) => pollMs(current.state.data as ListPages | undefined),
  });
  const refresh = useThrottled(() => void queryClient.invalidateQueries({ queryKey }), REFRESH_MS);
  useLiveTopic('list', {
    request: () => ({ op: 'subscribe_list' }),
    onMessage: (message) => {
      if (message.type === 'gap') refresh();
      if (message.type !== 'runs') return;
      const data = queryClient.getQueryData<ListPages>(queryKey);
      if (data === undefined) return;
      queryClient.setQueryData<ListPages>(queryKey, patchPages(data, message.runs));
      // A new run, or one that leaves or enters the filter: the server knows its place.
      if (message.runs.some((run) => filter.status !== undefined || isNew(data, run))) refresh();
    },
    onSubscribed: refresh,
  });
  const runs = useMemo(() => distinct(query.data), [query.data]);
  return { ...query, runs };
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

function pollMs(data: ListPages | undefined): number | false {
  const active = data?.pages.some((page) => page.items.some((item) => !isTerminalRunStatus(item.status)));
  return active === true ? ACTIVE_POLL_MS : false;
}
