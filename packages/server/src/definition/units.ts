import type { DefinitionDocument, UsableDocument } from './document.ts';
import type { DefinitionPath } from './faults.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';
import { type Library, templatesOf } from './library.ts';
import { readUse, type Use, usesIn } from './uses.ts';

/** A pipeline that can be put into others: a whole document, or a template in one. */
export interface Unit {
  /** What people call it: "train", "train-model@3", "./train.yaml". */
  readonly label: string;
  readonly document: DefinitionDocument & Partial<UsableDocument>;
  /** Path of the unit in its document. */
  readonly path: DefinitionPath;
  /** Its keys, without `name`, `description` and `templates`. */
  readonly body: JsonObject;
  readonly uses: readonly Use[];
}

export type Target =
  | { readonly kind: 'unit'; readonly unit: Unit }
  | { readonly kind: 'not checked' }
  | { readonly kind: 'fault'; readonly message: string };

/** The units of a definition and of all documents that it uses. */
export class Units {
  readonly root: Unit;
  readonly #library: Library;
  readonly #units = new Map<DefinitionDocument, Map<string, Unit>>();

  constructor(root: DefinitionDocument & Partial<UsableDocument>, library: Library) {
    this.#library = library;
    this.root = this.#unitOf(root, undefined);
  }

  rootOf(document: Unit['document']): Unit {
    return this.#unitOf(document, undefined);
  }

  /** The templates of a document, those that are no mapping left out. */
  templatesOf(document: Unit['document']): Unit[] {
    if (!isJsonObject(document.json)) return [];
    const names = Object.entries(templatesOf(document.json));
    return names.flatMap(([name, body]) => (isJsonObject(body) ? [this.#unitOf(document, name)] : []));
  }

  /** What a use stands for: a template of the same document, or else a document outside. */
  target(unit: Unit, use: string): Target {
    const { document } = unit;
    const templates = isJsonObject(document.json) ? templatesOf(document.json) : {};
    if (Object.hasOwn(templates, use)) {
      if (isJsonObject(templates[use])) return { kind: 'unit', unit: this.#unitOf(document, use) };
      return { kind: 'fault', message: `the template "${use}" is no mapping` };
    }
    const key = readUse(use, document.directory);
    if (key.kind === 'fault') return key;
    const entry = this.#library.get(key.key) ?? 'not checked';
    if (entry === 'not checked') return { kind: 'not checked' };
    if ('problem' in entry) return { kind: 'fault', message: entry.problem };
    return { kind: 'unit', unit: this.#unitOf(entry, undefined) };
  }

  #unitOf(document: Unit['document'], template: string | undefined): Unit {
    const ofDocument = this.#units.get(document) ?? new Map<string, Unit>();
    this.#units.set(document, ofDocument);
    // No template has an empty name.
    const known = ofDocument.get(template ?? '');
    if (known !== undefined) return known;
    const json = isJsonObject(document.json) ? document.json : {};
    const given = template === undefined ? json : (templatesOf(json)[template] as JsonObject);
    const { name: _name, description: _description, templates: _templates, ...body } = given;
    const unit: Unit = {
      label: template ?? document.label ?? (typeof json['name'] === 'string' ? json['name'] : 'the pipeline'),
      document,
      path: template === undefined ? [] : ['templates', template],
      body,
      uses: usesIn(body),
    };
    ofDocument.set(template ?? '', unit);
    return unit;
  }
}
