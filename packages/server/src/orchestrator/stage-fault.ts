import { TrainyardError } from '@trainyard/protocol';
import { ResultsTooLarge } from '../definition/results-too-large.ts';

/** Why a stage cannot be handed to an agent: it fails with this code and message. */
export class StageFault extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'StageFault';
    this.code = code;
  }
}

/** What a stage fails with when its expressions or its work could not be had. Throws what is no fault of a stage. */
export function faultOf(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof StageFault) return { code: error.code, message: error.message };
  if (!(error instanceof TrainyardError)) throw error;
  const code = error instanceof ResultsTooLarge ? 'outputs_too_large' : 'expression';
  return { code, message: error.message };
}
