import type { Dag, Plan } from '@trainyard/dag';
import {
  DEFINITION_LIMITS,
  type DefinitionFault,
  type PipelineDefinition,
} from '@trainyard/protocol/definition';
import { checkOwn } from './check-own.ts';
import { checkUses, type Expansion, usesOthers } from './check-uses.ts';
import { type DefinitionDocument, jsonDocument, readDocument, type UsableDocument } from './document.ts';
import { FORGIVEN_WHEN_STORED, presentFaults } from './faults.ts';
import { isJsonObject } from './json-object.ts';
import type { Library } from './library.ts';
import { faultsInSource } from './older-forms.ts';

export { extentOf, layersOf } from '@trainyard/dag';
export type { Expansion } from './check-uses.ts';
export { type ConfigFile, readConfigFile } from './config-file.ts';
export { diffDefinitions } from './definition-diff.ts';
export { definitionSize } from './definition-size.ts';
export { definitionText } from './definition-text.ts';

export { type DefinitionDocument, jsonDocument, readDocument, type UsableDocument } from './document.ts';

export { expressionFaults } from './expression-check.ts';
export { type ExpressionScope, resolveExpressions, resolveJob } from './expressions.ts';
export { isJsonObject } from './json-object.ts';
export { gatherLibrary, type LibraryEntry, outsideUses, type UsedFile, type UsedName } from './library.ts';
export {
  checkCondition,
  checkTemplates,
  evaluateCondition,
  resolveTemplates,
  type Templates,
} from './param-templates.ts';
export { resolveParams } from './params.ts';
export { secretsOfDefinition } from './secret-references.ts';
export { visibleStages } from './visible-stages.ts';
export { type ImportedDefinition, importWfFormat } from './wfformat-import.ts';

/** A definition that can be run, or every fault found in it. */
export type CheckedDefinition =
  | {
      readonly ok: true;
      readonly definition: PipelineDefinition;
      readonly dag: Dag;
      readonly plan: Plan;
      /** There when the definition has templates or uses other pipelines; what is above has them put in. */
      readonly expansion?: Expansion;
    }
  | { readonly ok: false; readonly faults: DefinitionFault[] };

/**
 * Reads a pipeline file (YAML or JSON) and checks everything that can be known before it runs. All faults
 * come at once (at most 100), each with its line and column. Never throws, whatever the text is.
 */
export function parseDefinition(source: string): CheckedDefinition {
  return checkDocument({ ...readDocument(source), directory: '.' });
}

/** Checks a definition that came as JSON. As `parseDefinition`, but faults have paths and no lines. */
export function checkDefinition(json: unknown): CheckedDefinition {
  return checkDocument(jsonDocument(json));
}

/** Reads a stored definition: `written` is null where its source is what somebody wrote. */
export function checkStored({
  source,
  written,
}: {
  readonly source: string;
  readonly written: string | null;
}): CheckedDefinition {
  // With other pipelines put in it was written by us, as JSON: limits of files that people write are not for it.
  const document =
    written === null ? { ...readDocument(source), directory: '.' } : jsonDocument(JSON.parse(source));
  // It has passed the limit of its day, which may have been another one.
  return checkDocument(document, new Map(), DEFINITION_LIMITS.highestMaxDepth, true);
}

/**
 * Judges a definition that was read. `library` has what it uses from outside (see `gatherLibrary`); what
 * nobody looked up is listed in `expansion.notChecked`, and such a definition must not be run. `maxDepth` is
 * the number of levels that it may have.
 */
export function checkDocument(
  document: DefinitionDocument & Partial<UsableDocument>,
  library: Library = new Map(),
  maxDepth: number = DEFINITION_LIMITS.maxDepth,
  isStored = false,
): CheckedDefinition {
  const { json, mapping, locate } = document;
  if (json === undefined) return { ok: false, faults: presentFaults(document.faults, locate) };
  if (isJsonObject(json) && usesOthers(json)) {
    const { faults, result, expansion } = checkUses(document, library, maxDepth);
    if (result === undefined || expansion === undefined) {
      return { ok: false, faults: presentFaults(faults, locate) };
    }
    return { ok: true, ...result, expansion };
  }
  const checked = checkOwn(json, maxDepth);
  const found = mapping === undefined ? checked.faults : faultsInSource(mapping, checked.faults);
  const all = [...document.faults, ...found];
  const faults = isStored ? all.filter(({ code }) => !FORGIVEN_WHEN_STORED.has(code)) : all;
  if (checked.result === undefined || faults.length > 0) {
    return { ok: false, faults: presentFaults(faults, locate) };
  }
  return { ok: true, ...checked.result };
}
