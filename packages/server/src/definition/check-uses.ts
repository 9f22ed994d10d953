import {
  DEFINITION_LIMITS,
  type PipelineDefinition,
  type UsedPipeline,
} from '@trainyard/protocol/definition';
import { type CheckedOwn, checkOwn } from './check-own.ts';
import type { DefinitionDocument, UsableDocument } from './document.ts';
import { expandUnit, shapeOf } from './expand.ts';
import { clip, describeValue, type Fault, presentFaults } from './faults.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';
import { type Library, outsideUses } from './library.ts';
import { faultsInSource } from './older-forms.ts';
import { UnitSizes } from './unit-size.ts';
import { type Unit, Units } from './units.ts';
import { type Use, useFaults, useFinder, usesIn } from './uses.ts';
import { jsonLimitFault } from './value-limits.ts';
import { writtenForm } from './written-form.ts';

/** What a definition that uses others comes to. */
export interface Expansion {
  /** The definition as it is run, with everything put in: JSON in our own form. */
  readonly json: JsonObject;
  /** As it was written, with defaults filled in: uses and templates are what they were. */
  readonly written: unknown;
  readonly uses: readonly UsedPipeline[];
  /** Uses that nobody looked up; the stages of each have a stand-in that must not be run. */
  readonly notChecked: readonly string[];
}

export interface CheckedUses extends CheckedOwn {
  readonly expansion?: Expansion;
}

/** Whether there is anything to put in. */
export function usesOthers(json: JsonObject): boolean {
  return Object.hasOwn(json, 'templates') || usesIn(json).length > 0 || useFaults(json).length > 0;
}

/** Judges a definition that has templates or uses others, and puts them in. */
export function checkUses(
  document: DefinitionDocument & Partial<UsableDocument>,
  library: Library,
  maxDepth: number,
): CheckedUses {
  const units = new Units(document, library);
  const check = new DocumentCheck(units, maxDepth);
  const faults = check.faultsOf(document);
  if (faults.length > 0) return { faults };
  const json = expandUnit(units.root, units);
  const limit = jsonLimitFault(json);
  if (limit !== undefined) return { faults: [limit] };
  const checked = checkOwn(json, maxDepth);
  const useAt = useFinder(units.root.uses);
  const left = checked.faults.map((fault) => atUse(fault, useAt(fault.path)));
  if (checked.result === undefined || left.length > 0) return { faults: left };
  const outside = check.documents.filter((each) => each !== document);
  const expansion = {
    json,
    written: check.writtenOf(document),
    uses: usedPipelines(outside as UsableDocument[]),
    notChecked: check.documents.flatMap((each) =>
      outsideUses(each).flatMap(({ key }) =>
        (library.get(key) ?? 'not checked') === 'not checked' ? [key] : [],
      ),
    ),
  };
  return { ...checked, faults: [], expansion };
}

/** Each once: "train" and "train@3" may be the same version. */
function usedPipelines(documents: readonly UsableDocument[]): UsedPipeline[] {
  const byLabel = documents.map(({ label, pipeline, sha256 }): [string, UsedPipeline] => [
    label,
    { use: label, sha256, ...(pipeline === undefined ? {} : { pipeline }) },
  ]);
  return [...new Map(byLabel).values()];
}

/** A fault of the expanded definition at the use that it came in by. */
function atUse(fault: Fault, use: Use | undefined): Fault {
  if (use === undefined) return fault;
  const message = `in ${clip(use.use)}: ${fault.message}`;
  return { code: fault.code, message, path: [...use.path, 'use'] };
}

/** Judges documents, each once: the units in it, and how they use others. */
class DocumentCheck {
  /** Those that were judged, the first one first. */
  readonly documents: DefinitionDocument[] = [];
  readonly #units: Units;
  readonly #maxDepth: number;
  readonly #sizes: UnitSizes;
  readonly #faults = new Map<DefinitionDocument, readonly Fault[]>();
  readonly #shapes = new Map<Unit, PipelineDefinition>();

  constructor(units: Units, maxDepth: number) {
    this.#units = units;
    this.#maxDepth = maxDepth;
    this.#sizes = new UnitSizes(units, maxDepth);
  }

  /** Faults with their paths in the document. */
  faultsOf(document: Unit['document']): readonly Fault[] {
    const known = this.#faults.get(document);
    if (known !== undefined) return known;
    // Documents that use each other are looked at once; that they do is found by their depth.
    this.#faults.set(document, []);
    this.documents.push(document);
    const faults = this.#judge(document);
    this.#faults.set(document, faults);
    return faults;
  }

  /** The document with defaults filled in, its uses as they were written. */
  writtenOf(document: Unit['document']): unknown {
    const [root, ...templates] = this.#unitsOf(document).map((unit) =>
      writtenForm(this.#shapes.get(unit)!, unit),
    );
    const byName = templates.map(({ name, ...template }) => [name, template]);
    return { ...root, ...(byName.length === 0 ? {} : { templates: Object.fromEntries(byName) }) };
  }

  #judge(document: Unit['document']): Fault[] {
    const { mapping } = document;
    const inSource = (faults: Fault[]) => (mapping === undefined ? faults : faultsInSource(mapping, faults));
    if (!isJsonObject(document.json)) {
      if (document.faults.length > 0) return [...document.faults];
      return [...checkOwn(document.json ?? null, this.#maxDepth).faults];
    }
    const units = this.#unitsOf(document);
    const ofUnits = units.flatMap((unit) => this.#judgeUnit(unit).map((fault) => inDocument(fault, unit)));
    const faults = [...document.faults, ...inSource([...templateFaults(document.json), ...ofUnits])];
    if (faults.length > 0) return faults;
    // Sizes are only known of documents that can be read.
    const tooLarge = units.flatMap((unit) =>
      this.#sizes.faults(unit).map((fault) => ({ ...fault, path: [...unit.path, ...fault.path] })),
    );
    return inSource(tooLarge);
  }

  #judgeUnit(unit: Unit): Fault[] {
    const checked = checkOwn(shapeOf(unit, this.#units), this.#maxDepth);
    if (checked.result !== undefined) this.#shapes.set(unit, checked.result.definition);
    const useAt = useFinder(unit.uses);
    const ofShape = checked.faults.flatMap((fault) => asWrittenFault(fault, useAt(fault.path)));
    return [...useFaults(unit.body), ...ofShape, ...unit.uses.flatMap((use) => this.#useFault(unit, use))];
  }

  #useFault(unit: Unit, use: Use): Fault[] {
    const target = this.#units.target(unit, use.use);
    const path = [...use.path, 'use'];
    if (target.kind === 'fault') return [{ code: 'UNKNOWN_PIPELINE', message: target.message, path }];
    if (target.kind !== 'unit' || target.unit.document === unit.document) return [];
    const { document, label } = target.unit;
    const faults = this.faultsOf(document);
    if (faults.length === 0) return [];
    const [first] = presentFaults(faults, document.locate);
    const place = first!.line === undefined ? label : `${label}:${first!.line}:${first!.column}`;
    return [{ code: 'FAULTY_PIPELINE', message: `in ${place}: ${first!.message}`, path }];
  }

  #unitsOf(document: Unit['document']): Unit[] {
    return [this.#units.rootOf(document), ...this.#units.templatesOf(document)];
  }
}

/** A template has the keys of a pipeline file, but its name is its key. */
function templateFaults(json: JsonObject): Fault[] {
  const given = json['templates'];
  if (given === undefined) return [];
  if (!isJsonObject(given)) {
    const message = `"templates" must be a mapping of names to pipelines, found ${describeValue(given)}`;
    return [{ code: 'WRONG_TYPE', message, path: ['templates'] }];
  }
  const count = Object.keys(given).length;
  if (count > DEFINITION_LIMITS.maxTemplates) {
    const message = `there are ${count} templates; the limit is ${DEFINITION_LIMITS.maxTemplates}`;
    return [{ code: 'TOO_MANY_TEMPLATES', message, path: ['templates'] }];
  }
  return Object.entries(given).flatMap(([name, template]): Fault[] => {
    const path = ['templates', name];
    if (!isJsonObject(template)) {
      const message = `the template "${name}" must be a mapping, found ${describeValue(template)}`;
      return [{ code: 'WRONG_TYPE', message, path }];
    }
    return ['name', 'templates'].flatMap((key) => {
      if (!Object.hasOwn(template, key)) return [];
      const message =
        key === 'name'
          ? 'a template is named by its key; remove "name"'
          : 'templates stand at the top of the file, where all of them see each other';
      return [{ code: 'UNKNOWN_KEY', message, path: [...path, key], at: 'key' as const }];
    });
  });
}

function inDocument(fault: Fault, unit: Unit): Fault {
  // The name of a template is its key.
  if (unit.path.length > 0 && fault.path[0] === 'name') return { ...fault, path: unit.path, at: 'key' };
  return { ...fault, path: [...unit.path, ...fault.path] };
}

/** A fault of a shape with the path of what was written; those of stand-ins are not the writer's. */
function asWrittenFault(fault: Fault, use: Use | undefined): Fault[] {
  if (use === undefined) return [fault];
  const rest = fault.path.slice(use.path.length);
  if (rest.length === 0) return [fault];
  if (rest[0] !== 'used' || rest[1] !== 'given') return [];
  return [{ ...fault, path: [...use.path, 'params', ...rest.slice(2)] }];
}
