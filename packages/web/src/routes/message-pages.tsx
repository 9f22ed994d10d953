import { type ErrorComponentProps, Link } from '@tanstack/react-router';
import { ErrorBanner } from '../design/feedback.tsx';
import { texts } from '../texts.ts';

/** A real page for an address that leads nowhere. */
export function NotFoundPage() {
  return <Missing title={texts.notFound.title} />;
}

export function Missing({ title }: { title: string }) {
  return (
    <div className="m-auto flex max-w-[46ch] flex-col items-center gap-3 p-6 text-center">
      <p className="text-[40px] font-semibold text-faint">404</p>
      <h1 className="text-[17px] font-semibold">{title}</h1>
      <p className="text-muted">{texts.notFound.body}</p>
      <Link to="/" className="btn btn-primary">
        {texts.notFound.back}
      </Link>
    </div>
  );
}

/** What a fault of the page itself looks like. */
export function CrashPage({ error }: ErrorComponentProps) {
  return (
    <div className="mx-auto w-[min(640px,calc(100%-24px))] py-8">
      <ErrorBanner
        title={texts.crash.title}
        message={`${texts.crash.body}\n\n${error instanceof Error ? error.message : String(error)}`}
      >
        <button type="button" className="btn" onClick={() => location.reload()}>
          {texts.crash.reload}
        </button>
      </ErrorBanner>
    </div>
  );
}
