import { useMutation } from '@tanstack/react-query';
import { type Attempt, isTerminalAttemptStatus, isTerminalRunStatus, type Run } from '@trainyard/protocol';
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import { EmptyState, LoadError, Loading } from '../design/feedback.tsx';
import { formatBytes } from '../design/format.ts';
import { Icon } from '../design/icons.tsx';
import { StatusIcon } from '../design/status.tsx';
import { readStored, writeStored } from '../design/stored.ts';
import { api, hub } from '../live/services.ts';
import { leavesUnder, type RunModel } from '../runs/run-model.ts';
import { useAttempts } from '../runs/run-parts.ts';
import { texts } from '../texts.ts';
import { LogLines } from './log-lines.tsx';
import { LogSession } from './log-session.ts';
import { hasLog, pickLogJob } from './pick-log-job.ts';

/** Most jobs offered in the list of logs; others are reached by selecting their stage. */
const MAX_CHOICES = 200;
const DOWNLOAD_PART_BYTES = 4 * 1024 * 1024;

/** The log of the selected job; of a pipeline, the log of the job one most likely wants to see. */
export default function LogPanel(props: {
  model: RunModel;
  run: Run;
  attempt: number | undefined;
  onAttempt: (attempt: number | undefined) => void;
}) {
  const { model, run, attempt, onAttempt } = props;
  const [chosen, setChosen] = useState<string>();
  // biome-ignore lint/correctness/useExhaustiveDependencies: another selection ends the choice made before.
  useEffect(() => setChosen(undefined), [run.id]);
  const jobs = useMemo(() => leavesUnder(model, run.id), [model, run.id]);
  const job = jobs.find((candidate) => candidate.id === chosen) ?? pickLogJob(jobs);
  if (run.kind === 'external') return <EmptyState title={texts.log.external} />;
  if (job === undefined) return <EmptyState title={texts.log.noJob} />;
  const choices = jobs.filter((candidate) => hasLog(candidate) || candidate === job);
  return (
    <JobLog
      key={job.id}
      job={job}
      attempt={attempt}
      onAttempt={onAttempt}
      choices={choices.slice(0, MAX_CHOICES)}
      onChoose={setChosen}
    />
  );
}

function JobLog(props: {
  job: Run;
  attempt: number | undefined;
  onAttempt: (attempt: number | undefined) => void;
  choices: readonly Run[];
  onChoose: (id: string) => void;
}) {
  const { job, attempt, onAttempt, choices, onChoose } = props;
  const attempts = useAttempts(job);
  const newest = attempts.data?.at(-1);
  const older = attempt !== undefined && attempt !== newest?.number ? attempt : undefined;
  const live = older === undefined && !isTerminalRunStatus(job.status);
  const session = useSession(job.id, older, live);
  useSyncExternalStore(session.watch, () => session.version);
  const [showTime, setShowTime] = useState(() => readStored('log.time') === '1');
  const rows = session.window.rows.length;

  return (
    <section aria-label={texts.log.label} className="@container flex h-full w-full min-w-0 flex-col">
      <div className="flex min-h-10 flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-3 py-1">
        <StatusIcon status={job.status} />
        <JobChoice job={job} choices={choices} onChoose={onChoose} />
        {(attempts.data?.length ?? 0) > 1 && (
          <AttemptChoice
            attempts={attempts.data ?? []}
            shown={older ?? newest?.number}
            onAttempt={onAttempt}
          />
        )}
        <span className="text-[12px] text-muted @max-xl:hidden">
          {rows > 0 &&
            texts.log.shown(
              rows,
              formatBytes(session.window.endOffset - session.window.startOffset),
              formatBytes(session.size),
            )}
        </span>
        <label className="ml-auto inline-flex items-center gap-1.5 text-muted">
          <input
            type="checkbox"
            checked={showTime}
            onChange={(event) => {
              setShowTime(event.target.checked);
              writeStored('log.time', event.target.checked ? '1' : null);
            }}
          />
          {texts.log.timestamps}
        </label>
        <DownloadButton job={job} attempt={older ?? newest?.number} />
      </div>
      {session.status === 'loading' && <Loading />}
      {session.status === 'failed' && (
        <div className="p-3">
          <LoadError error={session.error} title={texts.log.failed} />
        </div>
      )}
      {session.status === 'ready' && rows === 0 && (
        <EmptyState title={live ? texts.log.empty : texts.log.emptyEnded} />
      )}
      {session.status === 'ready' && rows > 0 && (
        <LogLines session={session} showTime={showTime} live={live} />
      )}
    </section>
  );
}

function JobChoice(props: { job: Run; choices: readonly Run[]; onChoose: (id: string) => void }) {
  const { job, choices, onChoose } = props;
  if (choices.length < 2) return <span className="truncate font-medium">{job.path || job.name}</span>;
  return (
    <select
      className="field max-w-64 min-w-0 font-medium"
      aria-label={texts.log.choose}
      value={job.id}
      onChange={(event) => onChoose(event.target.value)}
    >
      {choices.map((choice) => (
        <option key={choice.id} value={choice.id}>
          {choice.path}
        </option>
      ))}
    </select>
  );
}

function AttemptChoice(props: {
  attempts: readonly Attempt[];
  shown: number | undefined;
  onAttempt: (attempt: number | undefined) => void;
}) {
  const { attempts, shown, onAttempt } = props;
  const newest = attempts.at(-1)?.number;
  return (
    <label className="inline-flex items-center gap-1.5 text-muted">
      {texts.log.attempt}
      <select
        className="field"
        value={shown}
        onChange={(event) => {
          const number = Number(event.target.value);
          onAttempt(number === newest ? undefined : number);
        }}
      >
        {attempts.map((item) => (
          <option key={item.id} value={item.number}>
            {item.number === newest ? texts.log.latest(item.number) : item.number}
            {isTerminalAttemptStatus(item.status) ? ` ${item.status}` : ''}
          </option>
        ))}
      </select>
    </label>
  );
}

function DownloadButton({ job, attempt }: { job: Run; attempt: number | undefined }) {
  const download = useMutation({ mutationFn: () => downloadLog(job, attempt) });
  return (
    <button
      type="button"
      className="btn btn-quiet"
      title={download.error?.message}
      disabled={download.isPending}
      onClick={() => download.mutate()}
    >
      <Icon name={download.isError ? 'alert' : 'download'} size={14} />
      <span className="@max-2xl:sr-only">{texts.log.download}</span>
    </button>
  );
}

/** The whole log, bytes as written. It comes in parts, as one answer of the server is limited in size. */
async function downloadLog(job: Run, attempt: number | undefined): Promise<void> {
  const parts: BlobPart[] = [];
  for (let offset = 0; ; ) {
    const part = await api.readLog(job.id, { attempt, offset, limit: DOWNLOAD_PART_BYTES });
    parts.push(new Uint8Array(part.bytes));
    offset = part.nextOffset;
    if (part.bytes.length === 0 || offset >= part.size) break;
  }
  const url = URL.createObjectURL(new Blob(parts, { type: 'text/plain' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `${(job.path || job.name).replaceAll('/', '.')}.log`;
  link.click();
  URL.revokeObjectURL(url);
}

/** A session for as long as the same log is shown, also past the end of the job. */
function useSession(runId: string, attempt: number | undefined, live: boolean): LogSession {
  const liveAtStart = useRef(live);
  const session = useMemo(
    () => new LogSession({ api, hub, runId, attempt, live: liveAtStart.current && attempt === undefined }),
    [runId, attempt],
  );
  useEffect(() => {
    void session.start();
    return () => session.stop();
  }, [session]);
  return session;
}
