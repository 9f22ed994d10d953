import type { Run } from '@trainyard/protocol';

/** The job whose log one most likely wants: the first that failed, else one that runs, else the last ended. */
export function pickLogJob(jobs: readonly Run[]): Run | undefined {
  const failed = jobs.filter((job) => job.status === 'failed' || job.status === 'timed_out');
  if (failed.length > 0) return failed.reduce((a, b) => (instant(b.endedAt) < instant(a.endedAt) ? b : a));
  const active = jobs.filter((job) => job.startedAt !== null && job.endedAt === null);
  if (active.length > 0)
    return active.reduce((a, b) => (instant(b.startedAt) < instant(a.startedAt) ? b : a));
  const ended = jobs.filter(hasLog);
  if (ended.length > 0) return ended.reduce((a, b) => (instant(b.endedAt) > instant(a.endedAt) ? b : a));
  return jobs.length === 1 ? jobs[0] : undefined;
}

/** It has started, or has the log of the run whose results it took over. */
export function hasLog({ startedAt, keptFrom, cachedFrom }: Run): boolean {
  return startedAt !== null || keptFrom !== undefined || cachedFrom !== undefined;
}

function instant(at: string | null): number {
  return at === null ? 0 : Date.parse(at);
}
