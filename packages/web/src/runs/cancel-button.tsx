import { useMutation } from '@tanstack/react-query';
import { isTerminalRunStatus, type Run } from '@trainyard/protocol';
import { useState } from 'react';
import { Dialog } from '../design/dialog.tsx';
import { LoadError } from '../design/feedback.tsx';
import { api, queryClient } from '../live/services.ts';
import { texts } from '../texts.ts';

/** Cancels a run after a question, and shows what the server answered. */
export function CancelButton({ run }: { run: Run }) {
  const [open, setOpen] = useState(false);
  const [reason, setReason] = useState('');
  const cancel = useMutation({
    mutationFn: () => api.cancelRun(run.id, reason.trim() === '' ? {} : { reason: reason.trim() }),
    onSuccess: () => void queryClient.invalidateQueries({ queryKey: ['tree', run.rootId] }),
  });
  const ended = isTerminalRunStatus(run.status);
  // An open dialog stays until it is closed, and then says how the run has ended; the button has no use then.
  if (ended && !open) return null;
  const cancelling = run.status === 'cancelling' || cancel.isSuccess;
  return (
    <>
      {!ended && (
        <button type="button" className="btn btn-danger" disabled={cancelling} onClick={() => setOpen(true)}>
          {cancelling ? texts.status.cancelling : texts.run.cancel}
        </button>
      )}
      <Dialog open={open} title={texts.run.cancelTitle(run.name)} onClose={() => setOpen(false)}>
        {cancel.isSuccess || ended ? (
          <div className="flex flex-col gap-3">
            <p role="status">{answer(run, cancel.isSuccess)}</p>
            <button type="button" className="btn self-end" onClick={() => setOpen(false)}>
              {texts.common.close}
            </button>
          </div>
        ) : (
          <form
            className="flex flex-col gap-3"
            onSubmit={(event) => {
              event.preventDefault();
              cancel.mutate();
            }}
          >
            <p>{texts.run.cancelBody}</p>
            <label className="flex flex-col gap-1 text-muted">
              {texts.run.cancelReason}
              <input
                className="field"
                maxLength={500}
                value={reason}
                onChange={(event) => setReason(event.target.value)}
              />
            </label>
            {cancel.error !== null && <LoadError error={cancel.error} title={texts.run.cancelFailed} />}
            <div className="flex justify-end gap-2">
              <button type="button" className="btn" onClick={() => setOpen(false)}>
                {texts.run.cancelBack}
              </button>
              <button type="submit" className="btn btn-danger" disabled={cancel.isPending}>
                {texts.run.cancelConfirm}
              </button>
            </div>
          </form>
        )}
      </Dialog>
    </>
  );
}

function answer(run: Run, accepted: boolean): string {
  if (!isTerminalRunStatus(run.status)) return texts.run.cancelSent;
  const status = texts.status[run.status];
  return accepted ? texts.run.cancelEnded(status) : texts.run.cancelTooLate(status);
}
