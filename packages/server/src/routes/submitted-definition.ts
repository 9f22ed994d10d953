import type { Plan } from '@trainyard/dag';
import { type DefinitionFault, type PipelineDefinition, TrainyardError } from '@trainyard/protocol';
import { checkDefinition, parseDefinition } from '../definition/index.ts';
import { findUnstorableText } from '../storable-text.ts';

interface Submitted {
  readonly source?: string | undefined;
  readonly definition?: Record<string, unknown> | readonly unknown[] | undefined;
  readonly fileName?: string | undefined;
}

/**
 * Reads the definition of a request, given as text or as JSON.
 * @throws TrainyardError INVALID_DEFINITION with details {faults}
 */
export function readSubmittedDefinition(body: Submitted): {
  definition: PipelineDefinition;
  plan: Plan;
  source: string;
} {
  const checked = body.source === undefined ? checkDefinition(body.definition) : parseDefinition(body.source);
  const fileName = body.fileName ?? 'the definition';
  if (!checked.ok) throw invalidDefinition(checked.faults, fileName);
  // YAML writes a NUL as an escape, so the check of the request has not seen it.
  const unstorable = findUnstorableText(checked.definition, fileName);
  if (unstorable !== undefined) {
    throw invalidDefinition([unstorableText(unstorable, fileName)], fileName);
  }
  // JSON is YAML too, so what is stored can always be read again as text.
  const source = body.source ?? JSON.stringify(body.definition);
  return { definition: checked.definition, plan: checked.plan, source };
}

function unstorableText(found: string, fileName: string): DefinitionFault {
  const path = found.slice(fileName.length + 1).split('/');
  const message = `${path.join('.')} holds a NUL character or half of a surrogate pair, which cannot be stored`;
  return { code: 'unstorable_text', message, path };
}

function invalidDefinition(faults: readonly DefinitionFault[], fileName: string): TrainyardError {
  const first = faults[0]!;
  const place = first.line === undefined ? fileName : `${fileName}:${first.line}:${first.column ?? 1}`;
  const more = faults.length === 1 ? '' : ` (and ${faults.length - 1} more)`;
  return new TrainyardError('INVALID_DEFINITION', `${place}: ${first.message}${more}`, {
    details: { faults },
  });
}
