import { z } from 'zod';

/**
 * How a job halts. The key of `PAUSE_MODES` is the word of the API and the command line.
 */
export const PAUSE_MODES = {
  auto: 'Asks the program to wait at its next step; where it does not answer at once, it is frozen.',
  cooperative: 'Asks the program to wait at its next step; its memory stays. One that cannot is frozen.',
  freeze: 'Stops its processes where they are; their memory stays.',
  release:
    'Asks the program to save a checkpoint and to end; its slot is free meanwhile, and another attempt goes on from the checkpoint.',
} as const satisfies Record<string, string>;

export type PauseMode = keyof typeof PAUSE_MODES;
export const pauseMode = z.enum(Object.keys(PAUSE_MODES) as [PauseMode, ...PauseMode[]]);

export const PAUSE_LIMITS = {
  /** How long `auto` waits for the program's answer before it is frozen. */
  autoPatienceMs: 1500,
  /** The same for `cooperative`: a step may take long. */
  cooperativePatienceMs: 60_000,
} as const;

/** What the agent writes into the file `control` of an attempt: one of these words. */
export const CONTROL_WORDS = ['run', 'pause', 'release'] as const;
export type ControlWord = (typeof CONTROL_WORDS)[number];

/**
 * What a program writes into the file `control.ack`, whole at once: which word it follows now. It writes `run`
 * once when it starts, and thereby says that it looks at `control`. With `release` it names the checkpoint that
 * it has saved, if there was anything to save.
 */
export const controlAnswer = z.object({
  word: z.enum(CONTROL_WORDS),
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
