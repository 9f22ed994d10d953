import {
  type EventType,
  type RunError,
  type RunStatus,
  WEBHOOK_LIMITS,
  type WebhookEvent,
} from '@trainyard/protocol';

/** An event that a webhook may want, as it was stored. */
export interface AnnouncedEvent {
  readonly rootId: string;
  readonly seq: number;
  readonly runId: string;
  readonly path: string;
  readonly type: string;
  readonly at: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** What a message says of the run that the event belongs to. */
export interface RunSummary {
  readonly id: string;
  readonly name: string;
  readonly status: RunStatus;
  readonly reason: string | null;
  readonly error: RunError | null;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  /** Stages by status. */
  readonly stages: Readonly<Partial<Record<RunStatus, number>>>;
}

/** Which stored events can become a webhook's event. */
const SOURCES: Readonly<Record<WebhookEvent, EventType | readonly EventType[]>> = {
  'run.created': 'run.created',
  'run.started': 'run.started',
  'run.finished': 'run.finished',
  'run.completed': 'run.finished',
  'run.failed': 'run.finished',
  'run.cancelled': 'run.finished',
  // What is skipped never runs, so it has an event of its own.
  'stage.finished': ['run.finished', 'run.skipped'],
  'stage.failed': 'run.finished',
  'approval.requested': 'approval.requested',
  'approval.escalated': 'approval.escalated',
  'approval.decided': 'approval.decided',
};

/** The types of stored events that are looked at for these events of webhooks. */
export function storedTypes(events: readonly WebhookEvent[]): string[] {
  return [...new Set(events.flatMap((event) => SOURCES[event]))];
}

const FAILED: ReadonlySet<unknown> = new Set<RunStatus>(['failed', 'timed_out']);
const SUCCEEDED: ReadonlySet<unknown> = new Set<RunStatus>(['completed', 'stopped']);

/** The names under which a webhook may have asked for an event, the most exact one first. */
export function namesOf({
  type,
  path,
  data,
}: Pick<AnnouncedEvent, 'type' | 'path' | 'data'>): WebhookEvent[] {
  const isRoot = path === '';
  const { status } = data;
  if (type === 'run.finished' && !isRoot) {
    return FAILED.has(status) ? ['stage.failed', 'stage.finished'] : ['stage.finished'];
  }
  if (type === 'run.skipped') return isRoot ? [] : ['stage.finished'];
  if (type === 'run.finished') {
    if (FAILED.has(status)) return ['run.failed', 'run.finished'];
    if (SUCCEEDED.has(status)) return ['run.completed', 'run.finished'];
    return status === 'cancelled' ? ['run.cancelled', 'run.finished'] : ['run.finished'];
  }
  if (type === 'approval.requested' || type === 'approval.escalated' || type === 'approval.decided') {
    return [type];
  }
  return isRoot && (type === 'run.created' || type === 'run.started') ? [type] : [];
}

/** The name under which this webhook gets the event; undefined when it did not ask for it. */
export function wantedName(
  webhook: { readonly events: readonly string[]; readonly pipeline: string | null },
  event: Pick<AnnouncedEvent, 'type' | 'path' | 'data'>,
  pipelineName: string,
): WebhookEvent | undefined {
  if (webhook.pipeline !== null && webhook.pipeline !== pipelineName) return undefined;
  return namesOf(event).find((name) => webhook.events.includes(name));
}

/** The body of a message. It is made once, so that every attempt sends the same bytes. */
export function messageBody(type: string, event: AnnouncedEvent, run: RunSummary): string {
  const { rootId, seq, runId, path, at } = event;
  const about = { rootId, seq, runId, path, type: event.type };
  const whole = JSON.stringify({ type, timestamp: at, data: { run, event: { ...about, data: event.data } } });
  if (Buffer.byteLength(whole) <= WEBHOOK_LIMITS.bodyBytes) return whole;
  // The receiver can read what is missing by the run's id.
  const short = {
    ...run,
    error: run.error === null ? null : { code: run.error.code, message: run.error.message.slice(0, 1000) },
  };
  return JSON.stringify({ type, timestamp: at, data: { run: short, event: { ...about, data: null } } });
}

export function testMessageBody(type: string, webhookId: string, at: string): string {
  return JSON.stringify({ type, timestamp: at, data: { webhookId } });
}
