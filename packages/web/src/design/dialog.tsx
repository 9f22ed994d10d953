import { type ReactNode, useEffect, useId, useRef } from 'react';
import { texts } from '../texts.ts';
import { Icon } from './icons.tsx';

/** A modal dialog: the browser's own, which keeps the focus inside and closes on Escape. */
export function Dialog(props: { open: boolean; title: string; onClose: () => void; children: ReactNode }) {
  const { open, title, onClose, children } = props;
  const ref = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (dialog === null || !open) return;
    dialog.showModal();
    return () => dialog.close();
  }, [open]);
  if (!open) return null;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it too; the click is on the backdrop.
    <dialog
      ref={ref}
      aria-labelledby={titleId}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === event.currentTarget) onClose();
      }}
      className="w-[min(560px,calc(100vw-24px))] rounded-xl border border-line bg-raised p-0 text-ink shadow-float"
    >
      <div className="flex items-center justify-between gap-4 border-b border-line px-4 py-3">
        <h2 id={titleId} className="text-[15px] font-semibold">
          {title}
        </h2>
        <button
          type="button"
          className="btn btn-quiet btn-icon"
          aria-label={texts.common.close}
          onClick={onClose}
        >
          <Icon name="close" size={14} />
        </button>
      </div>
      <div className="p-4">{children}</div>
    </dialog>
  );
}
