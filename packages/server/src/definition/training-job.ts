import { type DefinitionFault, type TrainingJobDefinition, trainingJobDefinition } from '@trainyard/protocol';
import { didYouMean } from './did-you-mean.ts';
import { clip, type Fault, presentFaults } from './faults.ts';
import { schemaFaults } from './schema-faults.ts';
import { readTextSource } from './text-source.ts';

/** A training job that can be stored, or every fault of its file. */
export type CheckedTrainingJob =
  | { readonly ok: true; readonly definition: TrainingJobDefinition }
  | { readonly ok: false; readonly faults: DefinitionFault[] };

/** Reads a training job's file (YAML or JSON); faults have their places. Never throws, whatever the text is. */
export function parseTrainingJob(source: string): CheckedTrainingJob {
  const { json, faults, locate } = readTextSource(source);
  if (json === undefined) return { ok: false, faults: presentFaults(faults, locate) };
  const parsed = trainingJobDefinition.safeParse(json);
  const found: Fault[] = [...faults];
  if (parsed.success) {
    if (found.length === 0) return { ok: true, definition: parsed.data };
    return { ok: false, faults: presentFaults(found, locate) };
  }
  for (const issue of parsed.error.issues) {
    if (issue.code === 'unrecognized_keys' && issue.path.length === 0)
      found.push(...issue.keys.map(unknownKey));
    else found.push(...schemaFaults([issue], json).map(inJobWords));
  }
  return { ok: false, faults: presentFaults(found, locate) };
}

function unknownKey(key: string): Fault {
  const known = Object.keys(trainingJobDefinition.shape);
  const message = `unknown key ${clip(key)} in a training job${didYouMean(key, known)}`;
  return { code: 'UNKNOWN_KEY', message, path: [key], at: 'key' };
}

function inJobWords(fault: Fault): Fault {
  return { ...fault, message: fault.message.replace(/^the pipeline\b/, 'the training job') };
}
