import type {
  AttemptFailure,
  AttemptOutcome,
  PauseMode,
  ReportedCheckpoint,
  ResumePoint,
  RunError,
} from '@trainyard/protocol';

/** What the end of an attempt means for the cache of its stage. */
export type CacheFact =
  /** It ran nothing: the result of another run is its own. */
  | {
      readonly kind: 'hit';
      readonly key: string;
      readonly from: string;
      readonly outputs: Record<string, unknown> | null;
    }
  /** Its result is kept under this key. */
  | { readonly kind: 'key'; readonly key: string }
  /** The files changed while it ran, or could not be read. */
  | { readonly kind: 'changed' | 'unknown'; readonly reason: string };

/**
 * What the owner of a tree is told through the inbox. Any server writes facts, only the owner acts on
 * them; each is idempotent, so a fact that comes twice changes nothing.
 */
export type Fact =
  | {
      readonly kind: 'claimed';
      readonly node: number;
      readonly attempt: number;
      readonly at: number;
      readonly agent: string;
    }
  | { readonly kind: 'started'; readonly node: number; readonly attempt: number; readonly at: number }
  | {
      readonly kind: 'finished';
      readonly node: number;
      readonly attempt: number;
      readonly at: number;
      readonly outcome: AttemptOutcome;
      readonly exitCode: number | null;
      readonly signal: string | null;
      readonly error: RunError | null;
      /** Why it was ended, where that is no failure. */
      readonly reason?: string;
      readonly outputs: Record<string, unknown> | null;
      readonly datasets: readonly {
        name: string;
        sha256: string;
        role: string;
        rows: number | null;
        sizeBytes: number;
      }[];
      readonly checkpoints?: readonly ReportedCheckpoint[];
      readonly resumePoint?: ResumePoint;
      readonly failure?: AttemptFailure;
      readonly cache?: CacheFact;
    }
  | {
      readonly kind: 'metrics_problem';
      readonly node: number;
      readonly at: number;
      readonly line?: number;
      readonly offset: number;
      readonly problem: string;
    }
  | {
      readonly kind: 'finding';
      readonly node: number;
      readonly at: number;
      readonly change: 'opened' | 'worsened' | 'closed';
      readonly data: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: 'unreachable'; readonly node: number; readonly attempt: number; readonly at: number }
  | {
      readonly kind: 'approval';
      readonly node: number;
      readonly attempt: number;
      readonly at: number;
      readonly status: 'approved' | 'rejected' | 'withdrawn';
      /** Null: its timeout. */
      readonly decidedBy: string | null;
      readonly comment: string | null;
      readonly inputs: Readonly<Record<string, unknown>> | null;
    }
  | {
      readonly kind: 'approval_escalated';
      readonly node: number;
      readonly attempt: number;
      readonly at: number;
      readonly timeoutAt: number;
    }
  /** The time that there is for it has moved, because it was paused. */
  | {
      readonly kind: 'approval_moved';
      readonly node: number;
      readonly attempt: number;
      readonly at: number;
      readonly timer: 'approval_timeout' | 'approval_escalation';
      readonly timeoutAt: number;
    }
  /** Of a run that waited for its concurrency group: it may start. */
  | { readonly kind: 'admitted'; readonly node: number; readonly at: number }
  /** Its program has halted; `mode` null: it was not handed out yet. */
  | {
      readonly kind: 'paused';
      readonly node: number;
      readonly attempt: number;
      readonly at: number;
      readonly mode: PauseMode | null;
      readonly note: string | null;
    }
  | {
      readonly kind: 'resumed';
      readonly node: number;
      readonly attempt: number;
      readonly at: number;
      /** It had not been handed out, and waits in its queue again. */
      readonly isQueued?: boolean;
      /** Then: until when an agent has to have taken it; null: it may wait for ever. */
      readonly claimBy?: number | null;
    }
  /** What a person asks for. */
  | { readonly kind: 'pause'; readonly node: number; readonly at: number; readonly mode: PauseMode }
  | { readonly kind: 'resume'; readonly node: number; readonly at: number }
  | { readonly kind: 'cancel'; readonly node: number; readonly at: number; readonly reason: string };
