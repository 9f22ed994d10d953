import { createHash } from 'node:crypto';
import type { JsonValue, OlderFormMapping, PipelineVersionId } from '@trainyard/protocol/definition';
import type { Fault, Locate } from './faults.ts';
import { readForm } from './older-forms.ts';
import { expandSweeps } from './sweeps.ts';
import { readTextSource } from './text-source.ts';
import { jsonLimitFault } from './value-limits.ts';

/** A definition as it was given, before it is judged. */
export interface DefinitionDocument {
  /** In our own form, also where an older one was given; `undefined` when it could not be read. */
  readonly json: JsonValue | undefined;
  readonly mapping: OlderFormMapping | undefined;
  readonly faults: readonly Fault[];
  readonly locate: Locate;
  readonly sha256: string;
}

/** A document that others may use, and where it came from. */
export interface UsableDocument extends DefinitionDocument {
  /** Shown in messages and on runs: "train-model@3", "./train.yaml". */
  readonly label: string;
  readonly pipeline?: PipelineVersionId;
  /** Directory that its jobs' `workingDir` is relative to, where that is not the user's own. */
  readonly baseDir?: string;
  /** Its directory among the files of the submission; left out where it may not use files. */
  readonly directory?: string;
}

/** Reads a pipeline file (YAML or JSON). Never throws. */
export function readDocument(source: string): DefinitionDocument {
  const { json, faults, locate } = readTextSource(source);
  const sha256 = createHash('sha256').update(source).digest('hex');
  return inOwnForm({ json, mapping: undefined, faults, locate, sha256 });
}

/** Reads a definition that came as JSON; its faults have paths and no lines. */
export function jsonDocument(json: unknown): DefinitionDocument {
  const limit = jsonLimitFault(json);
  const locate: Locate = () => undefined;
  const base = { mapping: undefined, locate, sha256: '' };
  if (limit !== undefined) return { ...base, json: undefined, faults: [limit] };
  return inOwnForm({ ...base, json: json as JsonValue, faults: [] });
}

function inOwnForm(document: DefinitionDocument): DefinitionDocument {
  if (document.json === undefined) return document;
  const form = readForm(document.json);
  if (form.kind === 'mixed') {
    return { ...document, json: undefined, faults: [...document.faults, form.fault] };
  }
  if (form.mapping === undefined) return withoutSweeps(document, document.json);
  // A mapped definition is JSON, too, in an interface that says more.
  return { ...document, mapping: form.mapping, json: form.mapping.definition as unknown as JsonValue };
}

function withoutSweeps(document: DefinitionDocument, json: JsonValue): DefinitionDocument {
  const unswept = expandSweeps(json);
  if (unswept === undefined) return document;
  const { faults, locate } = document;
  return {
    ...document,
    json: unswept.json,
    // Placed here: their paths are those of the document, all later ones those of what it became.
    faults: [
      ...faults,
      ...unswept.faults.map((fault) => ({
        ...fault,
        position: fault.position ?? locate(fault.path, fault.at ?? 'value'),
      })),
    ],
    locate: (path, at) => locate(unswept.source(path), at),
  };
}
