import { TrainyardError } from '@trainyard/protocol';

/** Where a version stands, as MLflow's older clients have it; aliases say more. */
export const STAGES = ['None', 'Staging', 'Production', 'Archived'] as const;
export type Stage = (typeof STAGES)[number];
/** Stages of which one may archive what is in them. */
export const ACTIVE_STAGES: readonly Stage[] = ['Staging', 'Production'];

/** Reads the name of a stage in any case. @throws TrainyardError INVALID_REQUEST */
export function readStage(word: string): Stage {
  const found = STAGES.find((stage) => stage.toLowerCase() === word.toLowerCase());
  if (found !== undefined) return found;
  throw new TrainyardError(
    'INVALID_REQUEST',
    `Invalid Model Version stage: ${word}. Value must be one of ${STAGES.join(', ')}.`,
  );
}
