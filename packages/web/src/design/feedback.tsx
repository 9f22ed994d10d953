import { TrainyardError } from '@trainyard/protocol';
import type { ReactNode } from 'react';
import { texts } from '../texts.ts';
import { CopyButton } from './copy.tsx';
import { Icon } from './icons.tsx';

/** Says that something is being loaded, after a moment, so that quick answers do not flicker. */
export function Loading({ label = texts.common.loading }: { label?: string }) {
  return (
    <div role="status" className="flex w-full items-center justify-center gap-2 p-8 text-muted">
      <Icon name="running" />
      {label}…
    </div>
  );
}

/** An error that stays where it happened, with its code, its message and a way on. */
export function ErrorBanner(props: {
  title: string;
  code?: string | undefined;
  message: string;
  children?: ReactNode;
}) {
  const { title, code, message, children } = props;
  return (
    <div
      role="alert"
      className="st-failed rounded-md border border-(--st)/40 bg-[color-mix(in_srgb,var(--st)_8%,var(--surface))] p-3"
    >
      <div className="flex items-start gap-2">
        <span className="mt-0.5 text-(--st)">
          <Icon name="failed" />
        </span>
        <div className="min-w-0 flex-1">
          <p className="font-semibold">
            {title}
            {code !== undefined && <span className="code ml-2 font-normal text-muted">{code}</span>}
          </p>
          <p className="mt-0.5 break-words whitespace-pre-wrap">{message}</p>
          {children !== undefined && <div className="mt-2 flex flex-wrap gap-2">{children}</div>}
        </div>
        <CopyButton text={code === undefined ? message : `${code}: ${message}`} label={texts.common.copy} />
      </div>
    </div>
  );
}

/** What a failed request of the page looks like. */
export function LoadError(props: { error: unknown; title?: string; onRetry?: () => void }) {
  const { error, title = texts.common.error, onRetry } = props;
  const known = error instanceof TrainyardError ? error : undefined;
  return (
    <ErrorBanner title={title} code={known?.code} message={known?.message ?? String(error)}>
      {onRetry && (
        <button type="button" className="btn" onClick={onRetry}>
          {texts.common.retry}
        </button>
      )}
    </ErrorBanner>
  );
}

/** Nothing here, and what to do about it. */
export function EmptyState({
  title,
  hint,
  children,
}: {
  title: string;
  hint?: string;
  children?: ReactNode;
}) {
  return (
    <div className="flex w-full flex-col items-center gap-2 px-4 py-10 text-center">
      <p className="text-[15px] font-semibold">{title}</p>
      {hint !== undefined && <p className="max-w-[52ch] text-muted">{hint}</p>}
      {children}
    </div>
  );
}

/** A command to paste into a terminal. */
export function Command({ text }: { text: string }) {
  return (
    <div className="flex max-w-full min-w-0 items-center gap-2 rounded-md border border-line bg-sunken py-1 pr-1 pl-3 text-left">
      <code className="code min-w-0 flex-1 overflow-x-auto whitespace-pre">{text}</code>
      <CopyButton text={text} label={texts.common.copy} />
    </div>
  );
}
