/** What a job of the soak does; its output follows from this, so that it can be told what must be stored. */
export interface JobSpec {
  readonly kind: JobKind;
  readonly steps: number;
  readonly pauseMs: number;
  /** So many tries end with `exitCode` first; `null`: all of them. */
  readonly failures: number | null;
  readonly exitCode: number;
}

interface KindRow {
  readonly meaning: string;
  /** Whether it is cancelled and paused at random moments; nothing depends on such a job. */
  readonly isHeld: boolean;
}

export const JOB_KINDS = {
  plain: { meaning: 'a line and a point in each step', isHeld: false },
  burst: { meaning: 'a thousand lines in each step', isHeld: false },
  partial: { meaning: 'half lines, carriage returns, half characters, no end of line', isHeld: false },
  forking: {
    meaning: 'leaves a child that holds its output, a session of its own and a daemon',
    isHeld: false,
  },
  failing: { meaning: 'fails first', isHeld: false },
  crashing: { meaning: 'kills itself first', isHeld: false },
  doomed: { meaning: 'fails whenever it is tried', isHeld: true },
  steady: { meaning: 'takes longer', isHeld: true },
  stubborn: { meaning: 'ignores TERM and INT, and has children', isHeld: true },
} as const satisfies Record<string, KindRow>;
export type JobKind = keyof typeof JOB_KINDS;

/** A line of the file that a job appends to, outside Trainyard; one file per run. */
export type LedgerLine =
  | {
      readonly event: 'start';
      readonly attemptId: string;
      readonly attempt: number;
      readonly pid: number;
      /** Processes of earlier attempts that lived when this one started. */
      readonly overlapping: readonly number[];
    }
  | { readonly event: 'done'; readonly attemptId: string; readonly exitCode: number };

const LINES_OF_A_BURST = 1000;
const FILLER = 'x'.repeat(80);

/** The bytes that one step writes to the output. */
export function outputOfStep(spec: JobSpec, attempt: number, step: number): Buffer {
  if (spec.kind === 'burst') {
    const lines = Array.from(
      { length: LINES_OF_A_BURST },
      (_, line) => `${attempt}.${step}.${line} ${FILLER}\n`,
    );
    return Buffer.from(lines.join(''));
  }
  if (spec.kind === 'partial') {
    // The first byte of the last character is written by this step, the second by the next one.
    const text = Buffer.from(`ü ${attempt}.${step} of ${spec.steps}\r${step % 3 === 2 ? '\n' : ''}ü`);
    return text.subarray(step === 0 ? 0 : 1, text.length - 1);
  }
  return Buffer.from(`line ${attempt}.${step}\n`);
}

export function outputOf(spec: JobSpec, attempt: number): Buffer {
  return Buffer.concat(Array.from({ length: spec.steps }, (_, step) => outputOfStep(spec, attempt, step)));
}

/** The value of the one metric of a job, so that a point tells who wrote it. */
export function pointValue(attempt: number, step: number): number {
  return attempt * 1_000_000 + step;
}
