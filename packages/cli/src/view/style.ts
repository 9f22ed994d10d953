import type { RunStatus } from '@trainyard/protocol';
import picocolors from 'picocolors';

type Paint = (text: string) => string;

/** Colours, or none: every status also has a word and an icon. */
export interface Style {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
  readonly cyan: Paint;
}

export function createStyle(hasColor: boolean): Style {
  const { bold, dim, red, green, yellow, cyan } = picocolors.createColors(hasColor);
  return { bold, dim, red, green, yellow, cyan };
}

interface StatusLook {
  readonly icon: string;
  readonly color: Exclude<keyof Style, 'bold'>;
}

const LOOKS: Readonly<Record<RunStatus, StatusLook>> = {
  pending: { icon: '·', color: 'dim' },
  queued: { icon: '◌', color: 'dim' },
  starting: { icon: '▸', color: 'cyan' },
  running: { icon: '▸', color: 'cyan' },
  paused: { icon: '‖', color: 'yellow' },
  waiting: { icon: '○', color: 'yellow' },
  cancelling: { icon: '◍', color: 'yellow' },
  completed: { icon: '✔', color: 'green' },
  stopped: { icon: '✔', color: 'green' },
  failed: { icon: '✖', color: 'red' },
  timed_out: { icon: '✖', color: 'red' },
  cancelled: { icon: '■', color: 'yellow' },
  skipped: { icon: '↷', color: 'dim' },
};

const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/** The icon of a status; with a frame number, what is at work spins. */
export function statusIcon(status: RunStatus, frame?: number): string {
  const isAtWork = status === 'running' || status === 'starting' || status === 'cancelling';
  if (frame !== undefined && isAtWork) return SPINNER[frame % SPINNER.length]!;
  return LOOKS[status].icon;
}

export function statusPaint(status: RunStatus, style: Style): Paint {
  return style[LOOKS[status].color];
}
