/**
 * Every event type, once, with what it announces and the fields of its data. Events announce; nothing is
 * controlled through them.
 */
export const EVENT_TYPES = {
  'run.created': 'The run was accepted. data: kind, stages (root only).',
  'run.ready': 'All dependencies are met. data: indegree, parent.',
  'run.expanded': 'A foreach stage got its items. data: items.',
  'run.kept': 'The stage did not run again: a re-run keeps what an earlier run has done. data: from.',
  'run.waits_for_group': 'The run waits for its turn in a concurrency group. data: group, limit, onConflict.',
  'run.cached': 'The stage did not run: its result was in the cache. data: from, key.',
  'run.not_cached':
    'The stage is cached, but its files are not known or changed while it ran: it ran, and its result is not kept. data: reason.',
  'run.queued': 'An attempt waits for an agent. data: attempt, queue.',
  'run.started': 'Its process, or its first stage, started, or its approval was asked for. data: attempt.',
  'run.retry_scheduled': 'The last attempt failed and another follows. data: attempt, retryAt, error.',
  'run.cancel_requested': 'Cancel was asked for. data: reason.',
  'run.cancelling': 'Its processes are being ended. data: reason.',
  'run.pause_requested': 'Somebody has paused the run. data: mode.',
  'run.paused': 'It stands still; of a stage with a program, that is halted. data: attempt, mode, note.',
  'run.resume_requested': 'It may go on. data: attempt.',
  'run.resumed': 'It goes on. data: attempt.',
  'run.released': 'Its program has ended to give its slot back until it goes on. data: attempt, checkpoint.',
  'run.finished': 'The run is terminal. data: status, durationMs, error, reason, attempt.',
  'run.skipped': 'The run will never start. data: reason, upstream.',
  'attempt.claimed': 'An agent took the attempt. data: attempt, agent.',
  'attempt.finished':
    'The attempt is terminal. data: attempt, outcome, exitCode, signal, error (and failure, where the agent told what kind it was).',
  'attempt.unreachable': 'Its agent does not answer; nothing is decided yet. data: attempt, since.',
  'dataset.recorded': 'A dataset version was recorded. data: name, sha256, role, rows, sizeBytes.',
  'approval.requested': 'A stage waits for a person. data: message, form, approvers, timeoutAt, onTimeout.',
  'approval.escalated': 'Nobody decided in time; more may decide now. data: message, escalateTo, timeoutAt.',
  'approval.decided':
    'The approval has its decision. data: decision, decidedBy (null: its timeout), comment, inputs.',
  'checkpoint.recorded':
    'A model checkpoint was saved, evaluated or deleted. data: action, path, step, metrics, sizeBytes.',
  'finding.opened':
    'Something is wrong with the metrics. data: finding, attempt, rule, key, severity, action, message.',
  'finding.worsened': 'It has got worse. data: finding, attempt, rule, key, severity, action, message.',
  'finding.closed': 'It is over. data: finding, attempt, rule, key.',
  'metrics.problem':
    'A line of the metrics could not be read; told of the first five of an attempt. data: line, offset, problem.',
} as const;

export type EventType = keyof typeof EVENT_TYPES;
