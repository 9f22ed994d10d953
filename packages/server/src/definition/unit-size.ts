import { DEFINITION_LIMITS, type JsonValue } from '@trainyard/protocol/definition';
import type { Fault } from './faults.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';
import type { Unit, Units } from './units.ts';
import type { Use } from './uses.ts';

/** What a unit comes to when all that it uses is put in, without putting it in: it may be astronomical. */
interface Size {
  /** Levels of pipelines; infinite for one that uses itself. */
  readonly levels: number;
  /** The unit on the deepest way down; none where the unit itself is the deepest. */
  readonly deepest: Unit | undefined;
  readonly stages: number;
  readonly bytes: number;
}

/** Bytes that a use adds beside the pipeline that it puts in. */
const USE_BYTES = 200;

/** Units that use each other one by one: far beyond what is allowed, and what a stack can bear. */
const MAX_CHAIN = 2000;

export class UnitSizes {
  readonly #units: Units;
  readonly #maxDepth: number;
  readonly #sizes = new Map<Unit, Size>();
  readonly #open = new Set<Unit>();

  constructor(units: Units, maxDepth: number) {
    this.#units = units;
    this.#maxDepth = maxDepth;
  }

  /** Uses of the unit that would pass a limit, in the order of the file. */
  faults(unit: Unit): Fault[] {
    const { maxStages, maxBytes } = DEFINITION_LIMITS;
    const maxDepth = this.#maxDepth;
    const tooDeep = unit.uses.flatMap((use): Fault[] => {
      const target = this.#targetOf(unit, use);
      if (target === undefined || use.level + this.#sizeOf(target).levels <= maxDepth) return [];
      const chain = this.#chain(unit, target);
      const message = `DAG nesting depth exceeds limit (${maxDepth}): ${chain}`;
      return [{ code: 'DEPTH_EXCEEDED', message, path: [...use.path, 'use'] }];
    });
    if (tooDeep.length > 0) return tooDeep;
    let { stages, bytes } = ownSize(unit);
    for (const use of unit.uses) {
      const target = this.#targetOf(unit, use);
      if (target === undefined) continue;
      const size = this.#sizeOf(target);
      stages += size.stages;
      bytes += size.bytes + USE_BYTES;
      const path = [...use.path, 'use'];
      if (stages > maxStages) {
        const message = `with ${target.label} the pipeline has ${stages} stages, more than the limit of ${maxStages}`;
        return [{ code: 'TOO_MANY_STAGES', message, path }];
      }
      if (bytes > maxBytes) {
        const message = `with ${target.label} the pipeline has about ${bytes} bytes, more than the limit of ${maxBytes}`;
        return [{ code: 'TOO_LARGE', message, path }];
      }
    }
    return [];
  }

  #sizeOf(unit: Unit): Size {
    const known = this.#sizes.get(unit);
    if (known !== undefined) return known;
    // It is being measured: so it uses itself.
    if (this.#open.has(unit) || this.#open.size > MAX_CHAIN)
      return { levels: Infinity, deepest: undefined, stages: Infinity, bytes: Infinity };
    this.#open.add(unit);
    const own = ownSize(unit);
    let { levels, stages, bytes } = own;
    let deepest: Unit | undefined;
    for (const use of unit.uses) {
      const target = this.#targetOf(unit, use);
      if (target === undefined) continue;
      const size = this.#sizeOf(target);
      stages += size.stages;
      bytes += size.bytes + USE_BYTES;
      if (use.level + size.levels <= levels) continue;
      levels = use.level + size.levels;
      deepest = target;
    }
    this.#open.delete(unit);
    const size = { levels, deepest, stages, bytes };
    this.#sizes.set(unit, size);
    return size;
  }

  #targetOf(unit: Unit, { use }: Use): Unit | undefined {
    const target = this.#units.target(unit, use);
    return target.kind === 'unit' ? target.unit : undefined;
  }

  /** The way down: "sweep > train > sweep > …". */
  #chain(from: Unit, target: Unit): string {
    const labels = [from.label];
    const seen = new Set([from]);
    for (let at: Unit | undefined = target; at !== undefined; at = this.#sizes.get(at)?.deepest) {
      labels.push(at.label);
      if (seen.has(at)) return `${labels.join(' > ')} > …`;
      seen.add(at);
    }
    return labels.join(' > ');
  }
}

const ownSizes = new WeakMap<Unit, { levels: number; stages: number; bytes: number }>();

/** Of what is written in the unit itself. */
function ownSize(unit: Unit): { levels: number; stages: number; bytes: number } {
  const known = ownSizes.get(unit);
  if (known !== undefined) return known;
  const size = { levels: 1, stages: 0, bytes: Buffer.byteLength(JSON.stringify(unit.body)) };
  const open: { body: JsonObject; level: number }[] = [{ body: unit.body, level: 1 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    size.levels = Math.max(size.levels, next.level);
    for (const stage of stagesOf(next.body)) {
      size.stages += 1;
      const pipeline = isJsonObject(stage) ? stage['pipeline'] : undefined;
      if (isJsonObject(pipeline) && Array.isArray(pipeline['stages'])) {
        open.push({ body: pipeline, level: next.level + 1 });
      }
    }
  }
  ownSizes.set(unit, size);
  return size;
}

function stagesOf(body: JsonObject): readonly JsonValue[] {
  const { stages } = body;
  return Array.isArray(stages) ? stages : [];
}
