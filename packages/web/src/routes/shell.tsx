import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useNavigate } from '@tanstack/react-router';
import { TrainyardError } from '@trainyard/protocol';
import { useState } from 'react';
import { formatClock } from '../design/format.ts';
import { Icon } from '../design/icons.tsx';
import { useKeys } from '../design/keys.ts';
import { THEME_CHOICES, useTheme } from '../design/theme.ts';
import type { LiveState } from '../live/hub.ts';
import { api } from '../live/services.ts';
import { useLiveState } from '../live/use-live.ts';
import { texts } from '../texts.ts';
import { HelpDialog } from './help-dialog.tsx';
import { TokenGate } from './token-gate.tsx';

/** What is around every page: the bar with navigation, connection, theme and help. */
export function Shell() {
  const [help, setHelp] = useState(false);
  const navigate = useNavigate();
  const info = useQuery({
    queryKey: ['info'],
    queryFn: ({ signal }) => api.info({ signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });
  useKeys({
    '?': () => setHelp(true),
    '/': (event) => {
      const field = document.querySelector<HTMLInputElement>('[data-filter]');
      if (field === null) return;
      event.preventDefault();
      field.focus();
    },
    'g r': () => void navigate({ to: '/' }),
    'g a': () => void navigate({ to: '/agents' }),
  });
  const locked = info.error instanceof TrainyardError && info.error.httpStatus === 401;

  return (
    <div className="flex min-h-dvh flex-col">
      <a
        href="#main"
        className="sr-only rounded bg-accent px-3 py-1 text-accent-text focus:not-sr-only focus:absolute focus:z-50"
      >
        {texts.skipToContent}
      </a>
      <header className="sticky top-0 z-30 flex h-11 items-center gap-1 border-b border-line bg-surface px-3">
        <Link to="/" className="mr-3 flex items-center gap-2 font-semibold">
          <img src="/favicon.svg" alt="" width="20" height="20" />
          <span className="max-sm:sr-only">{texts.product}</span>
        </Link>
        <nav aria-label={texts.nav.label} className="flex gap-1">
          <NavLink to="/" word={texts.nav.runs} />
          <NavLink to="/agents" word={texts.nav.agents} />
        </nav>
        <div className="ml-auto flex items-center gap-1">
          <LiveBadge state={useLiveState()} />
          <ThemeButton />
          <button
            type="button"
            className="btn btn-quiet btn-icon max-sm:hidden"
            aria-label={texts.keys.help}
            title={`${texts.keys.help} (?)`}
            onClick={() => setHelp(true)}
          >
            <Icon name="keyboard" />
          </button>
        </div>
      </header>
      <main id="main" tabIndex={-1} className="flex min-h-0 min-w-0 flex-1 flex-col outline-none">
        {locked ? <TokenGate /> : <Outlet />}
      </main>
      <HelpDialog open={help} onClose={() => setHelp(false)} />
    </div>
  );
}

function NavLink({ to, word }: { to: '/' | '/agents'; word: string }) {
  return (
    <Link
      to={to}
      activeOptions={{ exact: true, includeSearch: false }}
      className="rounded-md px-2.5 py-1 font-medium text-muted hover:bg-hover hover:text-ink data-[status=active]:bg-hover data-[status=active]:text-ink"
    >
      {word}
    </Link>
  );
}

const BADGE_LOOK = {
  connecting: 'st-pending',
  live: 'st-completed',
  reconnecting: 'st-timed_out',
  stale: 'st-failed',
} as const;

function LiveBadge({ state }: { state: LiveState }) {
  const word = state.kind === 'stale' ? texts.live.stale(formatClock(state.sinceMs)) : texts.live[state.kind];
  const live = state.kind === 'live';
  return (
    <span
      role="status"
      data-live={state.kind}
      title={texts.live.hint[state.kind]}
      className={`${BADGE_LOOK[state.kind]} inline-flex items-center gap-1.5 rounded-full px-2 py-0.5 text-[12px] font-medium text-(--st)`}
    >
      {live ? <span className="size-2 rounded-full bg-(--st)" /> : <Icon name="running" size={13} />}
      {word}
    </span>
  );
}

const THEME_ICON = { system: 'system', light: 'sun', dark: 'moon' } as const;

function ThemeButton() {
  const { choice, choose } = useTheme();
  const next = THEME_CHOICES[(THEME_CHOICES.indexOf(choice) + 1) % THEME_CHOICES.length]!;
  const label = texts.theme.next(texts.theme[choice]);
  return (
    <button
      type="button"
      className="btn btn-quiet btn-icon"
      aria-label={label}
      title={label}
      onClick={() => choose(next)}
    >
      <Icon name={THEME_ICON[choice]} />
    </button>
  );
}
