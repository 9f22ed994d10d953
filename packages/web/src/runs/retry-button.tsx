import { useMutation } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { isTerminalRunStatus, type Run } from '@trainyard/protocol';
import { Dialog } from '../design/dialog.tsx';
import { LoadError } from '../design/feedback.tsx';
import { api } from '../live/services.ts';
import { texts } from '../texts.ts';

/** Runs again what did not end well in a run that has ended, and goes to the new run. */
export function RetryButton({ run }: { run: Run }) {
  const navigate = useNavigate();
  const retry = useMutation({
    mutationFn: () => api.retryRun(run.id),
    onSuccess: ({ id }) => void navigate({ to: '/runs/$runId', params: { runId: id }, search: {} }),
  });
  const hasEndedWell = run.status === 'completed' || run.status === 'stopped';
  if (!isTerminalRunStatus(run.status) || hasEndedWell) return null;
  return (
    <>
      <button
        type="button"
        className="btn"
        title={texts.run.retryHint}
        disabled={retry.isPending}
        onClick={() => retry.mutate()}
      >
        {texts.run.retry}
      </button>
      <Dialog open={retry.error !== null} title={texts.run.retry} onClose={() => retry.reset()}>
        {retry.error !== null && <LoadError error={retry.error} title={texts.run.retryFailed} />}
      </Dialog>
    </>
  );
}
