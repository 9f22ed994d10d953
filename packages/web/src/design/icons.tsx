import type { ReactNode } from 'react';

const SHAPES = {
  // Statuses: each has its own outline, so they are told apart without colour.
  pending: <circle cx="8" cy="8" r="5.5" strokeDasharray="2.2 2.2" />,
  queued: (
    <>
      <circle cx="8" cy="8" r="5.5" />
      <path d="M5.5 8h.01M8 8h.01M10.5 8h.01" strokeWidth="2" />
    </>
  ),
  starting: (
    <>
      <circle cx="8" cy="8" r="5.5" opacity=".35" />
      <path d="M6.8 5.6 10.4 8l-3.6 2.4z" fill="currentColor" />
    </>
  ),
  running: (
    <>
      <circle cx="8" cy="8" r="5.5" opacity=".3" />
      <path className="spin" d="M8 2.5a5.5 5.5 0 0 1 5.5 5.5" strokeWidth="2" />
    </>
  ),
  paused: (
    <>
      <circle cx="8" cy="8" r="5.5" />
      <path d="M6.4 6v4M9.6 6v4" />
    </>
  ),
  waiting: <path d="M4.5 2.5h7M4.5 13.5h7M5.2 2.5c0 3.2 5.6 4.4 5.6 11M10.8 2.5c0 3.2-5.6 4.4-5.6 11" />,
  cancelling: (
    <>
      <circle cx="8" cy="8" r="5.5" strokeDasharray="5 2.5" className="spin" />
      <path d="M6.2 6.2l3.6 3.6M9.8 6.2 6.2 9.8" />
    </>
  ),
  completed: (
    <>
      <circle cx="8" cy="8" r="6.2" fill="currentColor" stroke="none" />
      <path d="m5.3 8.2 1.9 1.9 3.6-3.9" stroke="var(--surface)" strokeWidth="1.7" />
    </>
  ),
  stopped: (
    <>
      <circle cx="8" cy="8" r="5.5" />
      <rect x="6" y="6" width="4" height="4" fill="currentColor" />
    </>
  ),
  failed: (
    <>
      <path d="M5.4 1.8h5.2l3.6 3.6v5.2l-3.6 3.6H5.4l-3.6-3.6V5.4z" fill="currentColor" stroke="none" />
      <path d="m6 6 4 4M10 6l-4 4" stroke="var(--surface)" strokeWidth="1.7" />
    </>
  ),
  timed_out: (
    <>
      <circle cx="8" cy="8.6" r="5" />
      <path d="M8 6v2.8l1.8 1M6.3 1.8h3.4" />
    </>
  ),
  cancelled: (
    <>
      <circle cx="8" cy="8" r="5.5" />
      <path d="m4.2 11.8 7.6-7.6" />
    </>
  ),
  skipped: <path d="m3.5 4.5 3.5 3.5-3.5 3.5M8 4.5 11.5 8 8 11.5M13 4.5v7" />,
  // Things.
  pipeline: (
    <>
      <circle cx="3.5" cy="8" r="1.8" />
      <circle cx="12.5" cy="4" r="1.8" />
      <circle cx="12.5" cy="12" r="1.8" />
      <path d="M5.3 8c3 0 2.4-4 5.4-4M5.3 8c3 0 2.4 4 5.4 4" />
    </>
  ),
  job: (
    <>
      <rect x="2" y="3" width="12" height="10" rx="1.5" />
      <path d="m4.8 6.3 2 1.7-2 1.7M8.6 10h2.8" />
    </>
  ),
  person: (
    <>
      <circle cx="8" cy="5" r="2.8" />
      <path d="M2.8 13.8c.5-3 2.5-4.4 5.2-4.4s4.7 1.4 5.2 4.4" />
    </>
  ),
  copy: (
    <>
      <rect x="5.5" y="5.5" width="8" height="8" rx="1.5" />
      <path d="M10.5 5.5V4A1.5 1.5 0 0 0 9 2.5H4A1.5 1.5 0 0 0 2.5 4v5A1.5 1.5 0 0 0 4 10.5h1.5" />
    </>
  ),
  check: <path d="m3 8.5 3.2 3.2L13 4.8" />,
  chevron: <path d="m6 3.5 4.5 4.5L6 12.5" />,
  down: <path d="M8 2.5v10M3.8 8.6 8 12.8l4.2-4.2" />,
  close: <path d="m3.5 3.5 9 9M12.5 3.5l-9 9" />,
  maximise: <path d="M9.5 2.5h4v4M13.5 2.5 9 7M6.5 13.5h-4v-4M2.5 13.5 7 9" />,
  fit: <path d="M2.5 5.5v-3h3M10.5 2.5h3v3M13.5 10.5v3h-3M5.5 13.5h-3v-3" />,
  plus: <path d="M8 3v10M3 8h10" />,
  minus: <path d="M3 8h10" />,
  terminal: (
    <>
      <path d="m3 4.5 3.5 3.5L3 11.5M8 12h5" />
    </>
  ),
  keyboard: (
    <>
      <rect x="1.5" y="4" width="13" height="8.5" rx="1.5" />
      <path d="M4 7h.01M6.7 7h.01M9.3 7h.01M12 7h.01M5 9.8h6" />
    </>
  ),
  sun: (
    <>
      <circle cx="8" cy="8" r="2.8" />
      <path d="M8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9" />
    </>
  ),
  moon: <path d="M13.3 9.6A5.8 5.8 0 0 1 6.4 2.7a5.8 5.8 0 1 0 6.9 6.9z" />,
  system: (
    <>
      <rect x="1.8" y="2.8" width="12.4" height="8.2" rx="1.3" />
      <path d="M5.5 13.5h5M8 11v2.5" />
    </>
  ),
  download: <path d="M8 2v8M4.5 7 8 10.5 11.5 7M2.5 13.5h11" />,
  alert: (
    <>
      <path d="M8 2 14.5 13.5h-13z" />
      <path d="M8 6.5v3M8 11.6h.01" />
    </>
  ),
  search: (
    <>
      <circle cx="7" cy="7" r="4.2" />
      <path d="m10.2 10.2 3.3 3.3" />
    </>
  ),
  server: (
    <>
      <rect x="2" y="2.5" width="12" height="4.5" rx="1" />
      <rect x="2" y="9" width="12" height="4.5" rx="1" />
      <path d="M4.6 4.8h.01M4.6 11.2h.01" strokeWidth="1.8" />
    </>
  ),
} as const satisfies Record<string, ReactNode>;

export type IconName = keyof typeof SHAPES;

/** A 16 px line icon in the current text colour. Hidden from assistive technology: a word goes with it. */
export function Icon({
  name,
  size = 16,
  className = '',
}: {
  name: IconName;
  size?: number;
  className?: string;
}) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      className={`shrink-0 ${className}`}
    >
      {SHAPES[name]}
    </svg>
  );
}
