import { readFile } from 'node:fs/promises';
import {
  type AttemptFiles,
  type AttemptSpec,
  attemptSpec,
  cacheHashes,
  paramUpdate,
  pauseMode,
  runError,
  streamName,
  tokenProof,
} from '@trainyard/protocol';
import { z } from 'zod';
import { writeAtomically } from '../local/write-atomically.ts';
import { streamPosition } from '../stream/stream-layout.ts';

/**
 * How far the agent has come with an attempt: `held` from the claim to the report, then for good `reported`
 * or, when the server wanted no report, `discarded`.
 */
export const ATTEMPT_PHASES = ['held', 'reported', 'discarded'] as const;

/** The agent's own journal of an attempt (agent-state.json, readable by its user only). */
export const attemptState = z.object({
  version: z.literal(1),
  /** Of an agent before 0045, which kept the token here. */
  token: z.string().optional(),
  /** The token's proof, last; before it those of tokens that the server may know instead. Never the token. */
  tokenProofs: z.array(tokenProof).default([]),
  epoch: z.int(),
  bootId: z.string(),
  phase: z.enum(ATTEMPT_PHASES),
  gpuIds: z.array(z.string()),
  /** Set before the first signal is sent, so that a restarted agent goes on with the cancel. */
  cancelRequested: z.boolean(),
  /** Set when the lease ran out while the server could not be reached. */
  partitioned: z.boolean(),
  startedAtMs: z.number().nullable(),
  /** How the server has asked it to halt, and how it is halted. Journals of older agents have neither. */
  pausing: pauseMode.nullable().default(null),
  pausedAs: z.enum(['cooperative', 'freeze']).nullable().default(null),
  /** Changed params that the server has sent, and the newest change that the program has answered. */
  paramUpdate: paramUpdate.nullable().default(null),
  paramsAnswered: z.int().default(0),
  /** It did not give its slot back in time and was ended for it. */
  releaseKilled: z.boolean().default(false),
  /** The agent had to leave its machine and ended it. */
  preempted: z.boolean().default(false),
  /** Why it was ended for showing no progress. */
  stalled: z.string().nullable().default(null),
  /** Processes that the kernel had ended for lack of memory when the program started; null: not known. */
  oomKillsBefore: z.number().nullable().default(null),
  /** What the files of a cached stage held before its program started, or why that is not known. */
  cacheFiles: z
    .union([z.object({ hashes: cacheHashes, stamp: z.string() }), z.object({ reason: z.string() })])
    .nullable()
    .default(null),
  /** Processes of it that could not be ended, which keep its slot and GPUs out of service. */
  left: z.string().nullable().default(null),
  /** Why the program could not be started. */
  startError: runError.nullable(),
  streams: z.partialRecord(streamName, streamPosition),
});
export type AttemptState = z.infer<typeof attemptState>;

/** Why a program is ended before its time, as it is kept. */
export type EndReason = Partial<
  Pick<AttemptState, 'cancelRequested' | 'partitioned' | 'preempted' | 'stalled'>
>;
/** Why signals of an attempt fire; one for all, since an error of its own, with a stack, costs more than the rest of it. */
export const OVER = new DOMException('The attempt is over.', 'AbortError');

export const NO_REASON: EndReason = {
  cancelRequested: false,
  partitioned: false,
  preempted: false,
  stalled: null,
};

/** Something has decided, in this agent or the one before, that the program is to end. */
export function isToEnd({ cancelRequested, partitioned, preempted, stalled }: AttemptState): boolean {
  return cancelRequested || partitioned || preempted || stalled !== null;
}

/**
 * Keeps the state of one attempt on disk; without a path (an attempt without files) in memory only. Its token is in
 * memory only, always.
 */
export class AttemptJournal {
  readonly token: string;
  readonly #path: string | undefined;
  readonly #onWriteError: (error: unknown) => void;
  #state: AttemptState;
  #write: Promise<void> = Promise.resolve();

  constructor(options: {
    readonly path: string | undefined;
    readonly token: string;
    readonly state: AttemptState;
    readonly onWriteError: (error: unknown) => void;
  }) {
    this.token = options.token;
    this.#path = options.path;
    this.#state = options.state;
    this.#onWriteError = options.onWriteError;
  }

  get isOnDisk(): boolean {
    return this.#path !== undefined;
  }

  get state(): Readonly<AttemptState> {
    return this.#state;
  }

  /**
   * Resolves when the change is on disk; changes are written one after the other. Never rejects: a full
   * disk must not keep the agent from ending or reporting a program, it only forgets more in a crash.
   */
  update(change: Partial<AttemptState>): Promise<void> {
    this.#state = { ...this.#state, ...change };
    const path = this.#path;
    if (path === undefined) return Promise.resolve();
    this.#write = this.#write
      .then(() => writeAtomically(path, `${JSON.stringify(this.#state)}\n`))
      .catch(this.#onWriteError);
    return this.#write;
  }
}

/** Reads what an earlier agent left in an attempt directory; `undefined` when it is not complete. */
export async function readAttempt(
  files: Pick<AttemptFiles, 'spec' | 'agentState'>,
): Promise<{ spec: AttemptSpec; state: AttemptState } | undefined> {
  try {
    const [spec, state] = await Promise.all([
      readFile(files.spec, 'utf8'),
      readFile(files.agentState, 'utf8'),
    ]);
    return { spec: attemptSpec.parse(JSON.parse(spec)), state: attemptState.parse(JSON.parse(state)) };
  } catch {
    return undefined;
  }
}
