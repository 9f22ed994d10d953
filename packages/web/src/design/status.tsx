import {
  ATTEMPT_STATUS_TABLE,
  type AttemptStatus,
  RUN_STATUS_TABLE,
  type RunStatus,
} from '@trainyard/protocol';
import { texts } from '../texts.ts';
import { Icon, type IconName } from './icons.tsx';

type AnyStatus = RunStatus | AttemptStatus;

interface StatusProps {
  readonly status: AnyStatus;
  /** Of a stage that waits for a person, which looks different from one that waits for its next try. */
  readonly forPerson?: boolean;
}

/** Icon, word and colour of a status; hovering tells what it means. */
export function Status({ status, forPerson = false, className = '' }: StatusProps & { className?: string }) {
  return (
    <span
      className={`st-${status} inline-flex items-center gap-1.5 align-middle font-medium whitespace-nowrap text-(--st) ${className}`}
      title={statusMeaning(status)}
    >
      <Icon name={statusIcon(status, forPerson)} />
      {statusWord(status, forPerson)}
    </span>
  );
}

/** The icon alone, where the word stands elsewhere; carries the word for assistive technology. */
export function StatusIcon({ status, forPerson = false, size = 16 }: StatusProps & { size?: number }) {
  return (
    <span className={`st-${status} inline-flex text-(--st)`} title={statusWord(status, forPerson)}>
      <Icon name={statusIcon(status, forPerson)} size={size} />
      <span className="sr-only">{statusWord(status, forPerson)}</span>
    </span>
  );
}

export function statusWord(status: AnyStatus, forPerson = false): string {
  if (forPerson) return texts.approval.status;
  if (isOfAttempts(status)) return texts.attemptOnly[status];
  return texts.status[status];
}

function statusMeaning(status: AnyStatus): string {
  if (isOfAttempts(status)) return ATTEMPT_STATUS_TABLE[status].meaning;
  return RUN_STATUS_TABLE[status].meaning;
}

function statusIcon(status: AnyStatus, forPerson: boolean): IconName {
  if (forPerson) return 'person';
  if (status === 'leased') return 'starting';
  if (status === 'lost') return 'alert';
  return status === 'released' ? 'paused' : status;
}

function isOfAttempts(status: AnyStatus): status is 'leased' | 'lost' | 'released' {
  return status === 'leased' || status === 'lost' || status === 'released';
}
