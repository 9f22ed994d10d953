/** One thing that is wrong with a definition, and where. */
export interface Fault {
  readonly code: FaultCode;
  /** From the root of the definition, for example `['nodes', 3, 'dependsOn', 0]`. */
  readonly path: readonly (string | number)[];
  /** Says what is wrong and what to do, ready to be shown. */
  readonly message: string;
}

export const faultCodes = [
  'empty_dag',
  'invalid_value',
  'invalid_number',
  'invalid_name',
  'duplicate_name',
  'unknown_dependency',
  'self_dependency',
  'duplicate_dependency',
  'cycle',
  'depth_exceeded',
  'too_many_nodes',
  'too_many_dependencies',
  'too_many_faults',
] as const;
export type FaultCode = (typeof faultCodes)[number];

/** A hostile or generated definition can hold a million faults; nobody reads more than these. */
export const MAX_FAULTS = 1_000;

/** Collects faults up to `MAX_FAULTS` and counts the rest. */
export class FaultList {
  readonly #faults: Fault[] = [];
  #dropped = 0;

  get isEmpty(): boolean {
    return this.#faults.length === 0;
  }

  add(code: FaultCode, path: readonly (string | number)[], message: string): void {
    if (this.#faults.length < MAX_FAULTS) this.#faults.push({ code, path, message });
    else this.#dropped += 1;
  }

  toArray(): readonly Fault[] {
    if (this.#dropped === 0) return this.#faults;
    const message = `${this.#dropped} more faults are not listed; correct the ones above first`;
    return [...this.#faults, { code: 'too_many_faults', path: [], message }];
  }
}
