import {
  CLASS_OF_CODE,
  closest,
  FAILURE_CLASSES,
  type PipelineBody,
  type PipelineDefinition,
} from '@trainyard/protocol/definition';
import { clip, type DefinitionPath, type Fault, UNKNOWN_CAUSE } from './faults.ts';

/** What a try ends with, and classes of failures: the words that a cause in `retryOn` is mostly meant to be. */
const WORDS: readonly string[] = ['failed', 'timed_out', 'lost', ...Object.keys(FAILURE_CLASSES)];
const CODES: readonly string[] = Object.keys(CLASS_OF_CODE);
const MAX_DISTANCE = 2;
/** Shorter ones are too close to each other. */
const MIN_LENGTH = 5;

/**
 * Causes in `retryOn` that are a known one but for a slip. Programs have codes of their own, so other words that
 * nobody knows are taken as they are.
 */
export function retryFaults(definition: PipelineDefinition): Fault[] {
  const faults: Fault[] = [];
  const open: { readonly body: PipelineBody; readonly path: DefinitionPath }[] = [
    { body: definition, path: [] },
  ];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { stages } = next.body;
    for (let index = 0; index < stages.length; index++) {
      const { retry, pipeline } = stages[index]!;
      if (retry === undefined && pipeline === undefined) continue;
      const path = [...next.path, 'stages', index];
      for (const [at, cause] of (retry?.retryOn ?? []).entries()) {
        const message = faultOf(cause);
        if (message === undefined) continue;
        faults.push({ code: UNKNOWN_CAUSE, message, path: [...path, 'retry', 'retryOn', at] });
      }
      if (pipeline !== undefined) open.push({ body: pipeline, path: [...path, 'pipeline'] });
    }
  }
  return faults;
}

function faultOf(cause: string | number): string | undefined {
  if (typeof cause === 'number') return undefined;
  if (/^\d{1,3}$/.test(cause)) return `exit codes are numbers; write ${Number(cause)} without quotes`;
  const meant = meantBy(cause);
  return meant === undefined ? undefined : `no try ends with ${clip(cause)}; did you mean "${meant}"?`;
}

function meantBy(cause: string): string | undefined {
  if (WORDS.includes(cause) || CODES.includes(cause)) return undefined;
  const same = [...WORDS, ...CODES].find((known) => bare(known) === bare(cause));
  if (same !== undefined || cause.length < MIN_LENGTH) return same;
  return closest(cause, WORDS, MAX_DISTANCE);
}

function bare(word: string): string {
  return word.toLowerCase().replace(/[^a-z0-9]/g, '');
}
