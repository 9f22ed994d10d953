import { useNavigate, useSearch } from '@tanstack/react-router';
import { RUN_STATUSES, type RunStatus } from '@trainyard/protocol';
import { useEffect, useState } from 'react';
import { Command, EmptyState, LoadError, Loading } from '../design/feedback.tsx';
import { Icon } from '../design/icons.tsx';
import { usePageTitle } from '../design/page-title.ts';
import { useAgents } from '../runs/run-parts.ts';
import { RunsTable } from '../runs/runs-table.tsx';
import { useRunList } from '../runs/use-run-list.ts';
import { texts } from '../texts.ts';
import type { RunsSearch } from './search.ts';

/** Root runs, newest first, live. */
export function RunsPage() {
  const search: RunsSearch = useSearch({ from: '/' });
  const list = useRunList(search);
  const filtered = search.status !== undefined || search.name !== undefined;
  usePageTitle(texts.runs.title);
  return (
    <div className="mx-auto flex w-full max-w-[1280px] flex-col gap-3 p-4 max-sm:p-3">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <h1 className="text-[17px] font-semibold">{texts.runs.title}</h1>
        <AgentStrip />
        <Filters search={search} />
      </div>
      {list.error !== null && <LoadError error={list.error} onRetry={() => void list.refetch()} />}
      {list.isPending && <Loading />}
      {list.runs.length > 0 && <RunsTable runs={list.runs} />}
      {list.isSuccess && list.runs.length === 0 && (
        <div className="card">{filtered ? <NoMatch /> : <FirstRun />}</div>
      )}
      {list.runs.length > 0 && (
        <div className="flex items-center justify-center gap-3 py-1 text-muted">
          <span>{texts.runs.shown(list.runs.length, list.hasNextPage)}</span>
          {list.hasNextPage && (
            <button
              type="button"
              className="btn"
              disabled={list.isFetchingNextPage}
              onClick={() => void list.fetchNextPage()}
            >
              {list.isFetchingNextPage ? texts.runs.loadingMore : texts.runs.loadMore}
            </button>
          )}
        </div>
      )}
    </div>
  );
}

function Filters({ search }: { search: RunsSearch }) {
  const navigate = useNavigate({ from: '/' });
  const [name, setName] = useState(search.name ?? '');
  useEffect(() => setName(search.name ?? ''), [search.name]);
  // What is typed goes into the address after a moment, not letter by letter.
  useEffect(() => {
    if (name === (search.name ?? '')) return;
    const timer = setTimeout(() => {
      const next = {
        ...(search.status === undefined ? {} : { status: search.status }),
        ...(name === '' ? {} : { name }),
      };
      void navigate({ search: next, replace: true });
    }, 250);
    return () => clearTimeout(timer);
  }, [name, search.name, search.status, navigate]);

  const chooseStatus = (status: RunStatus | undefined) =>
    void navigate({
      search: { ...(status === undefined ? {} : { status }), ...(name === '' ? {} : { name }) },
    });
  return (
    <search className="ml-auto flex gap-2 max-sm:ml-0 max-sm:w-full">
      <input
        type="search"
        data-filter
        className="field w-52 max-sm:min-w-0 max-sm:flex-1"
        placeholder={`${texts.runs.nameFilter}  ( / )`}
        aria-label={texts.runs.nameFilter}
        value={name}
        onChange={(event) => setName(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') event.currentTarget.blur();
        }}
      />
      <select
        className="field"
        aria-label={texts.runs.statusFilter}
        value={search.status ?? ''}
        onChange={(event) => chooseStatus(RUN_STATUSES.find((status) => status === event.target.value))}
      >
        <option value="">{texts.runs.anyStatus}</option>
        {RUN_STATUSES.map((status) => (
          <option key={status} value={status}>
            {texts.status[status]}
          </option>
        ))}
      </select>
    </search>
  );
}

function AgentStrip() {
  const { data } = useAgents();
  const navigate = useNavigate();
  if (data === undefined) return null;
  const online = data.filter((agent) => agent.online);
  const busy = online.reduce((sum, agent) => sum + agent.busySlots, 0);
  const slots = online.reduce((sum, agent) => sum + agent.slots, 0);
  return (
    <button
      type="button"
      className="inline-flex items-center gap-2 rounded-full border border-line bg-surface px-3 py-0.5 text-[12px] text-muted hover:text-ink"
      onClick={() => void navigate({ to: '/agents' })}
    >
      <Icon name="server" size={14} />
      {data.length === 0 ? texts.agents.stripNone : texts.agents.strip(online.length, data.length)}
      {online.length > 0 && <span>· {texts.agents.slots(busy, slots)}</span>}
    </button>
  );
}

/** The first run, as a command that works as it stands. */
function FirstRun() {
  const isDefault = location.port === '7070' && location.hostname === '127.0.0.1';
  return (
    <EmptyState title={texts.runs.empty} hint={texts.runs.emptyHint}>
      <Command text={`${isDefault ? '' : `TRAINYARD_URL=${location.origin} `}trainyard run pipeline.yaml`} />
    </EmptyState>
  );
}

function NoMatch() {
  const navigate = useNavigate({ from: '/' });
  return (
    <EmptyState title={texts.runs.emptyFiltered}>
      <button type="button" className="btn" onClick={() => void navigate({ search: {} })}>
        {texts.runs.clearFilter}
      </button>
    </EmptyState>
  );
}
