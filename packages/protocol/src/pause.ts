import { z } from 'zod';
import { PAUSE_MODES, type PauseMode } from './pause-modes.ts';

export { PAUSE_MODES, type PauseMode } from './pause-modes.ts';

export const pauseMode = z.enum(Object.keys(PAUSE_MODES) as [PauseMode, ...PauseMode[]]);

export const PAUSE_LIMITS = {
  /** How long `auto` waits for the program's answer before it is frozen. */
  autoPatienceMs: 1500,
  /** The same for `cooperative`: a step may take long. */
  cooperativePatienceMs: 60_000,
} as const;

/** What the agent writes into the file `control` of an attempt: one of these words. */
export const CONTROL_WORDS = ['run', 'pause', 'release'] as const;
export const controlWord = z.enum(CONTROL_WORDS);
export type ControlWord = (typeof CONTROL_WORDS)[number];

/**
 * What a program writes into the file `control.ack`, whole at once: which word it follows now. It writes `run`
 * once when it starts, and thereby says that it looks at `control`. With `release` it names the checkpoint that
 * it has saved, if there was anything to save.
 */
export const controlAnswer = z.object({
  word: controlWord,
  step: z.number().optional(),
  checkpoint: z.string().min(1).max(4096).optional(),
});
export type ControlAnswer = z.infer<typeof controlAnswer>;

/** The checkpoint that an attempt goes on from. */
export const resumePoint = z.object({ path: z.string().min(1).max(4096), step: z.number().optional() });
export type ResumePoint = z.infer<typeof resumePoint>;

/** Path of a stage below the run, such as "sweep/large"; left out for the run itself. */
const stageBelow = z.string().min(1).max(4096).optional();

export const pauseRun = z.strictObject({ stage: stageBelow, mode: pauseMode.default('auto') });
export const resumeRun = z.strictObject({ stage: stageBelow });
