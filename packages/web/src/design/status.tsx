import {
  ATTEMPT_STATUS_TABLE,
  type AttemptStatus,
  RUN_STATUS_TABLE,
  type RunStatus,
} from '@trainyard/protocol';
import { texts } from '../texts.ts';
import { Icon, type IconName } from './icons.tsx';

type AnyStatus = RunStatus | AttemptStatus;

/** Icon, word and colour of a status; hovering tells what it means. */
export function Status({ status, className = '' }: { status: AnyStatus; className?: string }) {
  return (
    <span
      className={`st-${status} inline-flex items-center gap-1.5 align-middle font-medium whitespace-nowrap text-(--st) ${className}`}
      title={statusMeaning(status)}
    >
      <Icon name={statusIcon(status)} />
      {statusWord(status)}
    </span>
  );
}

/** The icon alone, where the word stands elsewhere; carries the word for assistive technology. */
export function StatusIcon({ status, size = 16 }: { status: AnyStatus; size?: number }) {
  return (
    <span className={`st-${status} inline-flex text-(--st)`} title={statusWord(status)}>
      <Icon name={statusIcon(status)} size={size} />
      <span className="sr-only">{statusWord(status)}</span>
    </span>
  );
}

export function statusWord(status: AnyStatus): string {
  if (status === 'leased' || status === 'lost') return texts.attemptOnly[status];
  return texts.status[status];
}

function statusMeaning(status: AnyStatus): string {
  if (status === 'leased' || status === 'lost') return ATTEMPT_STATUS_TABLE[status].meaning;
  return RUN_STATUS_TABLE[status].meaning;
}

function statusIcon(status: AnyStatus): IconName {
  if (status === 'leased') return 'starting';
  if (status === 'lost') return 'alert';
  return status;
}
