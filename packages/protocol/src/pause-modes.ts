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
