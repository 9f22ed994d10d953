import { Link, useNavigate } from '@tanstack/react-router';
import type { RunListItem } from '@trainyard/protocol';
import { useState } from 'react';
import { CopyButton } from '../design/copy.tsx';
import { shortId } from '../design/format.ts';
import { useKeys } from '../design/keys.ts';
import { Status } from '../design/status.tsx';
import { StatusBar } from '../design/status-bar.tsx';
import { Duration, RelativeTime } from '../design/time.tsx';
import { texts } from '../texts.ts';
import { errorLine } from './error-line.ts';
import { progress } from './run-model.ts';

/** The list of root runs. j and k move through the rows, Enter opens one. */
export function RunsTable({ runs }: { runs: readonly RunListItem[] }) {
  const navigate = useNavigate();
  const [current, setCurrent] = useState<string>();
  const at = runs.findIndex((run) => run.id === current);
  const move = (by: number) => {
    const next = runs[Math.min(runs.length - 1, Math.max(0, at < 0 ? 0 : at + by))];
    if (next === undefined) return;
    setCurrent(next.id);
    document.querySelector<HTMLElement>(`[data-row="${next.id}"] a`)?.focus();
  };
  useKeys({ j: () => move(1), k: () => move(-1), ['Escape']: () => setCurrent(undefined) });
  const columns = texts.runs.columns;
  return (
    <div className="card overflow-hidden">
      <table className="table">
        <caption className="sr-only">{texts.runs.title}</caption>
        <thead>
          <tr>
            <th scope="col" className="w-32">
              {columns.status}
            </th>
            <th scope="col">{columns.name}</th>
            <th scope="col" className="w-56 max-md:hidden">
              {columns.stages}
            </th>
            <th scope="col" className="w-28 max-sm:hidden">
              {columns.started}
            </th>
            <th scope="col" className="w-28 text-right">
              {columns.duration}
            </th>
            <th scope="col" className="w-40 max-lg:hidden">
              {columns.id}
            </th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <tr
              key={run.id}
              data-row={run.id}
              className={`cursor-pointer ${run.id === current ? 'bg-selected' : 'hover:bg-hover'}`}
              onClick={() => void navigate({ to: '/runs/$runId', params: { runId: run.id } })}
              onFocus={() => setCurrent(run.id)}
            >
              <td>
                <Status status={run.status} />
              </td>
              <th scope="row" className="max-w-0 min-w-32">
                <Link
                  to="/runs/$runId"
                  params={{ runId: run.id }}
                  className="block truncate font-semibold hover:underline"
                  onClick={(event) => event.stopPropagation()}
                >
                  {run.name}
                </Link>
                {run.error !== null && (
                  <span
                    className="block truncate text-[12px] font-normal text-danger"
                    title={errorLine(run.error)}
                  >
                    {errorLine(run.error)}
                  </span>
                )}
              </th>
              <td className="max-md:hidden">
                <Stages run={run} />
              </td>
              <td className="whitespace-nowrap max-sm:hidden">
                <RelativeTime at={run.startedAt ?? run.createdAt} />
              </td>
              <td className="text-right whitespace-nowrap">
                <Duration of={run} />
              </td>
              <td className="py-0! whitespace-nowrap text-muted max-lg:hidden">
                <span className="inline-flex items-center align-middle">
                  <code className="code" title={run.id}>
                    {shortId(run.id)}
                  </code>
                  <CopyButton text={run.id} label={texts.common.copyId(run.id)} />
                </span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Stages({ run }: { run: RunListItem }) {
  const { ended, total } = progress(run.stages);
  return (
    <span className="flex items-center gap-3">
      <StatusBar counts={run.stages} className="w-32" />
      <span className="text-[12px] whitespace-nowrap text-muted">{texts.runs.stageCounts(ended, total)}</span>
    </span>
  );
}
