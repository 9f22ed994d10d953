import { Link } from '@tanstack/react-router';
import { failureClassOf, type Run, type StatusCounts } from '@trainyard/protocol';
import type { ReactNode } from 'react';
import { CopyButton } from '../design/copy.tsx';
import { ErrorBanner } from '../design/feedback.tsx';
import { formatDuration, shortId } from '../design/format.ts';
import { Icon, type IconName } from '../design/icons.tsx';
import { JsonFields, JsonValue } from '../design/json-value.tsx';
import { ScrollRegion } from '../design/scroll-region.tsx';
import { Section } from '../design/section.tsx';
import { Status } from '../design/status.tsx';
import { StatusBar, StatusCountList } from '../design/status-bar.tsx';
import { Duration, RelativeTime } from '../design/time.tsx';
import { texts } from '../texts.ts';
import { waitsForPerson } from './approval-form.ts';
import { ApprovalPanel } from './approval-panel.tsx';
import { FindingsList } from './findings-list.tsx';
import { AttemptsTable, DatasetsTable, LatestEvents, MetricsTable } from './inspector-tables.tsx';
import { ancestry, findByPath, type RunModel } from './run-model.ts';
import { useAgents, useWaits } from './run-parts.ts';
import { whyWaiting } from './why-waiting.ts';

/** Everything about the selected run: status and why, error, facts, params, outputs, attempts, data, events. */
export function Inspector(props: {
  model: RunModel;
  run: Run;
  counts: StatusCounts | undefined;
  onSelect: (id: string | undefined) => void;
  onShowLog: (attempt?: number) => void;
}) {
  const { model, run, counts, onSelect, onShowLog } = props;
  const agents = useAgents();
  const waits = useWaits(run);
  const why = whyWaiting(model, run, agents.data ?? [], waits.data ?? []);
  const params = Object.keys(run.params).length > 0 ? run.params : undefined;
  return (
    <ScrollRegion
      label={texts.details.label}
      className="h-full w-full min-w-0 overflow-auto"
      testId="inspector"
    >
      <div className="flex flex-col gap-4 p-3">
        <Head model={model} run={run} onSelect={onSelect} />
        {why !== undefined && (
          <div className={`st-${run.status} rounded-md border-l-3 border-(--st) bg-sunken px-3 py-2`}>
            <h3 className="text-[12px] font-semibold text-(--st)">{texts.details.why}</h3>
            <p>{why}</p>
          </div>
        )}
        <RunErrorBanner model={model} run={run} onSelect={onSelect} onShowLog={onShowLog} />
        {counts !== undefined && (
          <Section title={texts.details.stages}>
            <StatusBar counts={counts} />
            <div className="mt-1.5">
              <StatusCountList counts={counts} />
            </div>
          </Section>
        )}
        {run.kind === 'approval' && <ApprovalPanel run={run} />}
        {run.kind !== 'pipeline' && <AttemptsTable run={run} onShowLog={onShowLog} />}
        <FindingsList run={run} />
        <MetricsTable run={run} />
        {run.item !== null && (
          <Section title={texts.details.item(run.item.index)}>
            <JsonValue value={run.item.value} />
          </Section>
        )}
        {params !== undefined && (
          <Section title={texts.details.params}>
            <JsonFields value={params} />
          </Section>
        )}
        {!isEmpty(run.outputs) && (
          <Section title={texts.details.outputs}>
            <JsonValue value={run.outputs} />
          </Section>
        )}
        <DatasetsTable run={run} />
        <Facts run={run} />
        <LatestEvents rootId={model.rootId} run={run} />
      </div>
    </ScrollRegion>
  );
}

const KIND_ICONS: Partial<Record<Run['kind'], IconName>> = { pipeline: 'pipeline', approval: 'person' };

function Head({
  model,
  run,
  onSelect,
}: {
  model: RunModel;
  run: Run;
  onSelect: (id: string | undefined) => void;
}) {
  const above = ancestry(model, run).slice(0, -1);
  return (
    <div>
      {above.length > 0 && (
        <div className="flex flex-wrap items-center gap-1 text-[12px] text-muted">
          {above.map((parent) => (
            <span key={parent.id} className="inline-flex items-center gap-1">
              <button
                type="button"
                className="hover:text-ink hover:underline"
                onClick={() => onSelect(parent.id === model.rootId ? undefined : parent.id)}
              >
                {parent.name}
              </button>
              <span aria-hidden="true">/</span>
            </span>
          ))}
        </div>
      )}
      <div className="flex items-center gap-2">
        <span className="text-muted">
          <Icon name={KIND_ICONS[run.kind] ?? 'job'} />
        </span>
        <h2 className="min-w-0 truncate text-[15px] font-semibold">{run.name}</h2>
        <span className="ml-auto flex items-center gap-3">
          <Status status={run.status} forPerson={waitsForPerson(run)} />
          <span className="text-muted">
            <Duration of={run} />
          </span>
        </span>
      </div>
    </div>
  );
}

function RunErrorBanner(props: {
  model: RunModel;
  run: Run;
  onSelect: (id: string | undefined) => void;
  onShowLog: (attempt?: number) => void;
}) {
  const { model, run, onSelect, onShowLog } = props;
  if (run.error === null) return null;
  const { code, message, path, label, triesLeft = 0 } = run.error;
  const kind = failureClassOf(run.error);
  const culprit = path === undefined || path === run.path ? undefined : findByPath(model, path);
  return (
    <ErrorBanner
      title={
        path === undefined ? texts.details.error : `${texts.details.error} ${texts.details.errorIn(path)}`
      }
      code={code}
      message={message}
    >
      <p className="basis-full text-muted">{texts.details.failure(kind, label)}</p>
      {triesLeft > 0 && <p className="basis-full text-muted">{texts.details.triesLeft(triesLeft)}</p>}
      {culprit !== undefined && (
        <button type="button" className="btn" onClick={() => onSelect(culprit.id)}>
          {texts.details.showStage}
        </button>
      )}
      {run.kind === 'job' && (
        <button type="button" className="btn" onClick={() => onShowLog()}>
          {texts.details.showLog}
        </button>
      )}
    </ErrorBanner>
  );
}

function Facts({ run }: { run: Run }) {
  const { details } = texts;
  const waitMs =
    run.queuedAt !== null && run.startedAt !== null
      ? Date.parse(run.startedAt) - Date.parse(run.queuedAt)
      : undefined;
  const facts: readonly (readonly [string, ReactNode])[] = [
    [details.factKind, details.kind[run.kind]],
    [
      details.factId,
      <span key="id" className="inline-flex items-center">
        <code className="code" title={run.id}>
          {shortId(run.id)}
        </code>
        <CopyButton text={run.id} label={texts.common.copyId(run.id)} />
      </span>,
    ],
    ...(run.path === ''
      ? []
      : ([
          [
            details.factPath,
            <code key="path" className="code">
              {run.path}
            </code>,
          ],
        ] as const)),
    ...(run.dependsOn.length === 0 ? [] : ([[details.factDepends, run.dependsOn.join(', ')]] as const)),
    ...(run.reason === null ? [] : ([[details.factReason, run.reason]] as const)),
    ...(run.keptFrom === undefined
      ? []
      : ([[details.factKept, <RunLink key="kept" id={run.keptFrom} />]] as const)),
    ...(run.cachedFrom === undefined
      ? []
      : ([[details.factCached, <RunLink key="cached" id={run.cachedFrom} />]] as const)),
    ...(run.rerunOf === undefined
      ? []
      : ([[details.factRerunOf, <RunLink key="rerun" id={run.rerunOf} />]] as const)),
    [details.factCreated, <RelativeTime key="created" at={run.createdAt} />],
    ...(waitMs === undefined ? [] : ([[details.factQueueTime, formatDuration(waitMs)]] as const)),
    [details.factStarted, <RelativeTime key="started" at={run.startedAt} />],
    [details.factEnded, <RelativeTime key="ended" at={run.endedAt} />],
  ];
  return (
    <Section title={details.facts}>
      <dl className="grid grid-cols-[auto_minmax(0,1fr)] items-center gap-x-4 gap-y-1">
        {facts.map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="text-muted">{name}</dt>
            <dd className="min-w-0 break-words">{value}</dd>
          </div>
        ))}
      </dl>
    </Section>
  );
}

function RunLink({ id }: { id: string }) {
  return (
    <Link to="/runs/$runId" params={{ runId: id }} className="code hover:underline" title={id}>
      {shortId(id)}
    </Link>
  );
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
