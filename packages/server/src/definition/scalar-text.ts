import { type JsonValue, STAGE_KINDS } from '@trainyard/protocol/definition';
import { isScalar, type Node, type Scalar } from 'yaml';
import { isJsonObject } from './json-object.ts';

/**
 * How numbers and truth values of a YAML text were written, where their value would be written otherwise: `1.10`,
 * `1e3`, `12345678901234567890`. By the mapping or list that they are in, and the key or index.
 */
export class ScalarTexts {
  readonly #byContainer = new Map<object, Map<string, Scalar>>();
  readonly #taken = new Map<object, Map<string, string>>();

  /** Notes the scalars of a new container. Those of `from`, which were merged into it, come first. */
  note(
    container: object,
    entries: Iterable<readonly [string, Node | undefined]>,
    from: readonly object[] = [],
  ): void {
    const noted = new Map<string, Scalar>();
    for (const source of from.toReversed()) {
      for (const [key, scalar] of this.#byContainer.get(source) ?? []) noted.set(key, scalar);
    }
    for (const [key, node] of entries) {
      if (isRewritten(node)) noted.set(key, node);
      else noted.delete(key);
    }
    if (noted.size > 0) this.#byContainer.set(container, noted);
  }

  /** All that is left, for whoever has to judge it. */
  *scalars(): Iterable<Scalar> {
    for (const noted of this.#byContainer.values()) yield* noted.values();
  }

  /**
   * Puts the texts into the commands and environments of stages, which are texts for a program. Other places keep the
   * values. Containers may be shared by aliases, so each is copied before it changes.
   */
  keepInPrograms(root: JsonValue): void {
    if (this.#byContainer.size === 0 || !isJsonObject(root)) return;
    const open: JsonValue[] = [root];
    const templates = root['templates'];
    if (isJsonObject(templates)) open.push(...Object.values(templates));
    const seen = new Set<object>();
    for (let level = open.pop(); level !== undefined; level = open.pop()) {
      const stages = isJsonObject(level) ? level['stages'] : undefined;
      for (const stage of Array.isArray(stages) ? stages : []) {
        if (!isJsonObject(stage) || seen.has(stage)) continue;
        seen.add(stage);
        for (const kind of STAGE_KINDS) this.#keepIn(stage, kind);
        const trial = isJsonObject(stage['sweep']) ? stage['sweep']['trial'] : undefined;
        if (isJsonObject(trial)) for (const kind of STAGE_KINDS) this.#keepIn(trial, kind);
        if (isJsonObject(stage['pipeline'])) open.push(stage['pipeline']);
      }
    }
  }

  #keepIn(stage: { [key: string]: JsonValue }, kind: string): void {
    const work = stage[kind];
    if (!isJsonObject(work)) return;
    const { command, env } = work;
    const kept: { [key: string]: JsonValue } = {};
    if (Array.isArray(command)) {
      const texts = this.#take(command);
      if (texts !== undefined)
        kept['command'] = command.map((each, at) =>
          typeof each === 'number' ? (texts.get(String(at)) ?? each) : each,
        );
    }
    if (isJsonObject(env)) {
      const texts = this.#take(env);
      if (texts !== undefined) kept['env'] = { ...env, ...Object.fromEntries(texts) };
    }
    if (Object.keys(kept).length > 0) stage[kind] = { ...work, ...kept };
  }

  #take(container: object): Map<string, string> | undefined {
    const noted = this.#byContainer.get(container);
    if (noted === undefined) return this.#taken.get(container);
    const texts = new Map([...noted].map(([key, scalar]) => [key, scalar.source!]));
    this.#byContainer.delete(container);
    this.#taken.set(container, texts);
    return texts;
  }
}

function isRewritten(node: Node | undefined): node is Scalar {
  if (!isScalar(node) || node.source === undefined) return false;
  const { value } = node;
  return (typeof value === 'number' || typeof value === 'boolean') && String(value) !== node.source;
}
