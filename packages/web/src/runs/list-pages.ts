import type { InfiniteData } from '@tanstack/react-query';
import type { Page } from '@trainyard/client';
import type { Run, RunListItem } from '@trainyard/protocol';

/** The pages of the list that are loaded, newest runs first. */
export type ListPages = InfiniteData<Page<RunListItem>, string | null>;

/**
 * Puts changed runs into the pages, each where it is. A whole run has outputs and no counts: its outputs,
 * which may be megabytes, are left out, and the counts stay as they are known.
 */
export function patchPages(data: ListPages, changed: readonly (Run | RunListItem)[]): ListPages {
  const byId = new Map(changed.map((run) => [run.id, withoutOutputs(run)]));
  return {
    ...data,
    pages: data.pages.map((page) => ({
      ...page,
      items: page.items.map((item) => {
        const change = byId.get(item.id);
        return change === undefined ? item : { ...item, ...change };
      }),
    })),
  };
}

/** Newer than everything shown. An older run that is not shown belongs to a page that is not loaded. */
export function isNew(data: ListPages, run: { readonly createdAt: string }): boolean {
  const newest = data.pages[0]?.items[0];
  return newest === undefined || run.createdAt > newest.createdAt;
}

/** A run can be on two pages for a moment, when new ones move the pages between two readings. */
export function distinct(data: ListPages | undefined): RunListItem[] {
  const seen = new Map<string, RunListItem>();
  for (const page of data?.pages ?? [])
    for (const item of page.items) if (!seen.has(item.id)) seen.set(item.id, item);
  return [...seen.values()];
}

function withoutOutputs(run: Run | RunListItem): Omit<Run, 'outputs'> {
  if (!('outputs' in run)) return run;
  const { outputs: _, ...rest } = run;
  return rest;
}
