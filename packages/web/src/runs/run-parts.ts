import { useQuery } from '@tanstack/react-query';
import { isTerminalRunStatus, type Run } from '@trainyard/protocol';
import { api } from '../live/services.ts';

/** Attempts of a job, oldest first. Read again whenever the job's status changes. */
export function useAttempts(run: Run) {
  return useQuery({
    queryKey: ['run-parts', run.id, 'attempts'],
    queryFn: ({ signal }) => api.listAttempts(run.id, { signal }),
    enabled: run.kind !== 'pipeline' && run.kind !== 'approval',
  });
}

/** What a stage asks people; an escalation does not change its run, so it is looked for while it waits. */
export function useApproval(run: Run) {
  return useQuery({
    queryKey: ['run-parts', run.id, 'approval'],
    queryFn: ({ signal }) => api.getApproval(run.id, { signal }),
    enabled: run.kind === 'approval' && (run.startedAt !== null || run.keptFrom !== undefined),
    refetchInterval: isTerminalRunStatus(run.status) ? false : 10_000,
  });
}

/** Dataset versions that a run and those below it read or wrote. */
export function useDatasets(run: Run) {
  return useQuery({
    queryKey: ['run-parts', run.id, 'datasets'],
    queryFn: ({ signal }) => api.listRunDatasets(run.id, { signal }),
    refetchInterval: isTerminalRunStatus(run.status) ? false : 10_000,
  });
}

/** What is wrong, or was, with the metrics of a run and of those below it. */
export function useFindings(run: Run) {
  return useQuery({
    queryKey: ['run-parts', run.id, 'findings'],
    queryFn: ({ signal }) => api.listFindings({ run: run.id, limit: 50, signal }),
    refetchInterval: isTerminalRunStatus(run.status) ? false : 10_000,
  });
}

export function useAgents() {
  return useQuery({
    queryKey: ['agents'],
    queryFn: ({ signal }) => api.listAgents({ signal }),
    refetchInterval: 5000,
  });
}

/** What of the run's tree waits for pools and concurrency groups; asked only for a run that is queued. */
export function useWaits(run: Run) {
  return useQuery({
    queryKey: ['run-parts', run.id, 'waits'],
    queryFn: ({ signal }) => api.listWaits(run.id, { signal }),
    enabled: run.status === 'queued',
    refetchInterval: 5000,
  });
}

export function useDefinition(id: string) {
  return useQuery({
    queryKey: ['definition', id],
    queryFn: ({ signal }) => api.getDefinition(id, { signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });
}
