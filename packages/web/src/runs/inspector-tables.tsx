import { type Attempt, isTerminalAttemptStatus, isTerminalRunStatus, type Run } from '@trainyard/protocol';
import { metricKeys } from '../charts/metric-keys.ts';
import { useLatestMetrics } from '../charts/use-curves.ts';
import { useNow } from '../design/clock.ts';
import { CopyButton } from '../design/copy.tsx';
import { ErrorBanner, LoadError } from '../design/feedback.tsx';
import { formatBytes, formatDuration, formatNumber, formatRelative } from '../design/format.ts';
import { ScrollRegion } from '../design/scroll-region.tsx';
import { Section } from '../design/section.tsx';
import { Status } from '../design/status.tsx';
import { durationMs } from '../design/time.tsx';
import { texts } from '../texts.ts';
import { EventLine, eventsOf } from './event-line.tsx';
import { useAgents, useAttempts, useDatasets } from './run-parts.ts';
import { useRunEvents } from './use-run.ts';

const METRICS_SHOWN = 12;
const DATASETS_SHOWN = 20;
const EVENTS_SHOWN = 8;

/** Tries of a job, each with a way to its log. */
export function AttemptsTable({ run, onShowLog }: { run: Run; onShowLog: (attempt?: number) => void }) {
  const { data, error } = useAttempts(run);
  const agents = useAgents();
  if (error !== null) return <LoadError error={error} />;
  if (data === undefined || data.length === 0) return null;
  const columns = texts.details.attemptColumns;
  const names = new Map(agents.data?.map((agent) => [agent.id, agent.name]));
  return (
    <Section title={texts.details.attempts}>
      <ScrollRegion className="card overflow-x-auto" label={texts.details.attempts}>
        <table className="table">
          <thead>
            <tr>
              <th scope="col">{columns.number}</th>
              <th scope="col">{columns.status}</th>
              <th scope="col">{columns.agent}</th>
              <th scope="col" className="text-right">
                {columns.exit}
              </th>
              <th scope="col" className="text-right">
                {columns.duration}
              </th>
              <th scope="col">
                <span className="sr-only">{columns.log}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {data.map((attempt) => (
              <tr key={attempt.id}>
                <th scope="row">{attempt.number}</th>
                <td>
                  <Status status={attempt.status} />
                </td>
                <td className="max-w-36 truncate">{agentName(attempt, names)}</td>
                <td className="text-right">{attempt.signal ?? attempt.exitCode ?? texts.common.none}</td>
                <td className="text-right whitespace-nowrap">
                  <AttemptDuration attempt={attempt} />
                </td>
                <td className="py-0! text-right">
                  <button
                    type="button"
                    className="btn btn-quiet"
                    aria-label={texts.details.attemptLog(attempt.number)}
                    onClick={() => onShowLog(attempt.number)}
                  >
                    {columns.log}
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollRegion>
      {data.map((attempt) => (
        <AttemptNotes key={attempt.id} attempt={attempt} newest={attempt === data.at(-1)} />
      ))}
    </Section>
  );
}

/** What an attempt has to say beyond its row: no contact, an error that a later attempt cured, a clean-up fault. */
function AttemptNotes({ attempt, newest }: { attempt: Attempt; newest: boolean }) {
  const nowMs = useNow(attempt.unreachableSince !== null);
  return (
    <>
      {attempt.unreachableSince !== null && !isTerminalAttemptStatus(attempt.status) && (
        <p className="mt-1 text-muted">
          {texts.details.unreachable(formatRelative(Date.parse(attempt.unreachableSince), nowMs))}
        </p>
      )}
      {attempt.error !== null && !newest && (
        <p className="mt-1 text-muted">
          {attempt.number}: {attempt.error.message}
        </p>
      )}
      {attempt.cleanupError !== null && (
        <div className="mt-2">
          <ErrorBanner title={texts.details.cleanup} message={attempt.cleanupError} />
        </div>
      )}
    </>
  );
}

function AttemptDuration({ attempt }: { attempt: Attempt }) {
  const nowMs = useNow(attempt.startedAt !== null && attempt.endedAt === null);
  const ms = durationMs(attempt, nowMs);
  return <>{ms === undefined ? texts.common.none : formatDuration(ms)}</>;
}

function agentName(attempt: Attempt, names: ReadonlyMap<string, string>): string {
  return attempt.agentId === null ? texts.common.none : (names.get(attempt.agentId) ?? attempt.agentId);
}

/** Latest values of a job's metrics. */
export function MetricsTable({ run }: { run: Run }) {
  const { data } = useLatestMetrics(run.id, !isTerminalRunStatus(run.status));
  const own = inChartOrder(data?.filter((metric) => metric.runId === run.id) ?? []);
  if (own.length === 0) return null;
  const columns = texts.details.metricColumns;
  return (
    <Section title={texts.details.metrics}>
      <ScrollRegion className="card overflow-x-auto" label={texts.details.metrics}>
        <table className="table">
          <thead>
            <tr>
              <th scope="col">{columns.key}</th>
              <th scope="col" className="text-right">
                {columns.last}
              </th>
              <th scope="col" className="text-right">
                {columns.min}
              </th>
              <th scope="col" className="text-right">
                {columns.max}
              </th>
              <th scope="col" className="text-right">
                {columns.step}
              </th>
            </tr>
          </thead>
          <tbody>
            {own.slice(0, METRICS_SHOWN).map((metric) => (
              <tr key={metric.key}>
                <th scope="row" className="code max-w-40 truncate" title={metric.key}>
                  {metric.key}
                </th>
                <td className="text-right font-medium">{formatNumber(metric.value)}</td>
                <td className="text-right text-muted">{formatNumber(metric.min)}</td>
                <td className="text-right text-muted">{formatNumber(metric.max)}</td>
                <td className="text-right text-muted">{metric.step}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollRegion>
      {own.length > METRICS_SHOWN && (
        <p className="text-muted">{texts.details.metricsMore(own.length - METRICS_SHOWN)}</p>
      )}
    </Section>
  );
}

function inChartOrder<T extends { readonly key: string; readonly count: number }>(
  metrics: readonly T[],
): T[] {
  const place = new Map(metricKeys(metrics, []).map((key, i) => [key, i]));
  return [...metrics].sort((a, b) => (place.get(a.key) ?? 0) - (place.get(b.key) ?? 0));
}

/** Dataset versions with their hash. */
export function DatasetsTable({ run }: { run: Run }) {
  const { data } = useDatasets(run);
  if (data === undefined || data.length === 0) return null;
  const columns = texts.details.datasetColumns;
  return (
    <Section title={texts.details.datasets}>
      <ScrollRegion className="card overflow-x-auto" label={texts.details.datasets}>
        <table className="table">
          <thead>
            <tr>
              <th scope="col">{columns.name}</th>
              <th scope="col" className="text-right">
                {columns.rows}
              </th>
              <th scope="col" className="text-right">
                {columns.size}
              </th>
              <th scope="col">{columns.role}</th>
              <th scope="col">{columns.version}</th>
            </tr>
          </thead>
          <tbody>
            {data.slice(0, DATASETS_SHOWN).map((dataset) => (
              <tr key={`${dataset.name}:${dataset.sha256}`}>
                <th scope="row" title={dataset.path}>
                  {dataset.name}
                </th>
                <td className="text-right">{formatNumber(dataset.rows)}</td>
                <td className="text-right whitespace-nowrap">{formatBytes(dataset.sizeBytes)}</td>
                <td>{[...new Set(dataset.runs.map((use) => use.role))].join(', ')}</td>
                <td className="py-0! whitespace-nowrap">
                  <span className="inline-flex items-center align-middle">
                    <code className="code">{dataset.sha256.slice(0, 10)}</code>
                    <CopyButton text={dataset.sha256} label={texts.common.copy} />
                  </span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollRegion>
    </Section>
  );
}

/** The last few events of the selected run and what is inside it. */
export function LatestEvents({ rootId, run }: { rootId: string; run: Run }) {
  const events = useRunEvents(rootId);
  const own = eventsOf(events.items, run).slice(-EVENTS_SHOWN).reverse();
  if (own.length === 0) return null;
  return (
    <Section title={texts.details.events}>
      <ol className="flex flex-col gap-1">
        {own.map((event) => (
          <EventLine key={event.seq} event={event} />
        ))}
      </ol>
    </Section>
  );
}
