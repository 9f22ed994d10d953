import { EXIT } from '@trainyard/protocol';

/** What signals ask of an agent. */
export interface AgentSignals {
  /** It is to leave at once; jobs go on, and the next agent takes them up. */
  readonly leave: AbortSignal;
  release(): void;
}

/**
 * INT (Ctrl-C): leave at once. TERM: take no new work, finish, leave. Another signal while it finishes: end the jobs,
 * which are handed out again. One more ends the process.
 */
export function guardAgentSignals(on: {
  readonly onLeave: () => void;
  readonly onDrain: () => void;
  readonly onPreempt: () => void;
}): AgentSignals {
  const leave = new AbortController();
  let drainedBy = 0;
  const onSignal = (name: NodeJS.Signals): void => {
    if (leave.signal.aborted || drainedBy > 1) process.exit(EXIT.interrupted);
    if (drainedBy === 1) {
      drainedBy = 2;
      on.onPreempt();
    } else if (name === 'SIGTERM') {
      drainedBy = 1;
      on.onDrain();
    } else {
      on.onLeave();
      leave.abort();
    }
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    leave: leave.signal,
    release() {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}
