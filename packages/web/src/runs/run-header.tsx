import { Link } from '@tanstack/react-router';
import type { Run, StatusCounts } from '@trainyard/protocol';
import { useState } from 'react';
import { CopyButton } from '../design/copy.tsx';
import { Dialog } from '../design/dialog.tsx';
import { Command } from '../design/feedback.tsx';
import { shortId } from '../design/format.ts';
import { Icon } from '../design/icons.tsx';
import { Status } from '../design/status.tsx';
import { StatusBar } from '../design/status-bar.tsx';
import { Duration, RelativeTime } from '../design/time.tsx';
import { RUN_TABS, type RunSearch } from '../routes/search.ts';
import { texts } from '../texts.ts';
import { CancelButton } from './cancel-button.tsx';
import { RetryButton } from './retry-button.tsx';
import { progress } from './run-model.ts';

/** Name, status, time and actions of the run, and the tabs of its parts. */
export function RunHeader({ root, counts, search }: { root: Run; counts: StatusCounts; search: RunSearch }) {
  const { ended, total } = progress(counts);
  return (
    <header className="border-b border-line bg-surface px-4 pt-2 max-sm:px-3">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1">
        <nav aria-label={texts.run.crumbs} className="min-w-0">
          <ol className="flex items-center gap-1.5">
            <li className="text-muted">
              <Link to="/" className="hover:text-ink hover:underline">
                {texts.nav.runs}
              </Link>
            </li>
            <li aria-hidden="true" className="text-faint">
              /
            </li>
            <li className="min-w-0">
              <h1 className="truncate text-[16px] font-semibold">{root.name}</h1>
            </li>
          </ol>
        </nav>
        <span data-testid="run-status">
          <Status status={root.status} />
        </span>
        <span className="text-muted">
          <Duration of={root} />
          {root.endedAt !== null && (
            <span className="max-md:hidden">
              {` · ${texts.run.ended} `}
              <RelativeTime at={root.endedAt} />
            </span>
          )}
        </span>
        <span className="flex items-center gap-2 max-md:hidden">
          <StatusBar counts={counts} className="w-28" />
          <span className="text-[12px] text-muted">{texts.run.of(ended, total)}</span>
        </span>
        <span className="ml-auto flex flex-wrap items-center gap-1">
          <code className="code text-muted max-lg:hidden" title={root.id}>
            {shortId(root.id)}
          </code>
          <CopyButton text={root.id} label={texts.common.copyId(root.id)} />
          <CommandsButton run={root} />
          <RetryButton run={root} />
          <CancelButton run={root} />
        </span>
      </div>
      <nav aria-label={texts.run.tabsLabel} className="mt-1 -mb-px flex gap-4 overflow-x-auto">
        {RUN_TABS.map((tab) => {
          const active = (search.tab ?? 'overview') === tab;
          const { tab: _, ...rest } = search;
          return (
            <Link
              key={tab}
              to="/runs/$runId"
              params={{ runId: root.id }}
              search={tab === 'overview' ? rest : { ...rest, tab }}
              aria-current={active ? 'page' : undefined}
              className={`border-b-2 py-1.5 font-medium whitespace-nowrap ${
                active ? 'border-accent text-ink' : 'border-transparent text-muted hover:text-ink'
              }`}
            >
              {texts.run.tabs[tab]}
            </Link>
          );
        })}
      </nav>
    </header>
  );
}

/** The same run from a terminal. */
function CommandsButton({ run }: { run: Run }) {
  const [open, setOpen] = useState(false);
  const commands: readonly (readonly [string, string])[] = [
    [texts.run.commandShow, `trainyard runs show ${run.id}`],
    [texts.run.commandLogs, `trainyard runs logs ${run.id} -f`],
    [texts.run.commandMetrics, `trainyard runs metrics ${run.id} --json`],
    [texts.run.commandCurl, `curl ${location.origin}/api/v1/runs/${run.id}/tree`],
  ];
  return (
    <>
      <button
        type="button"
        className="btn btn-quiet"
        title={texts.run.commands}
        aria-label={texts.run.commands}
        onClick={() => setOpen(true)}
      >
        <Icon name="terminal" size={14} />
        <span className="max-md:hidden">CLI</span>
      </button>
      <Dialog open={open} title={texts.run.commandsTitle} onClose={() => setOpen(false)}>
        <dl className="flex flex-col gap-3">
          {commands.map(([meaning, command]) => (
            <div key={command}>
              <dt className="mb-1 text-muted">{meaning}</dt>
              <dd>
                <Command text={command} />
              </dd>
            </div>
          ))}
        </dl>
      </Dialog>
    </>
  );
}
