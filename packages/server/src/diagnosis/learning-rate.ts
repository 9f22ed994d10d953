/** A rate that goes up by this factor from one point to the next was put up: a warm-up goes in small steps. */
const RESTART = 2;
/** Points of a rate before that: the first steps of a warm-up are large ones. */
const LEAST_POINTS = 10;
/** Rates that are followed in one run; models with more groups of parameters put them up together anyway. */
const MAX_SERIES = 100;

/** What the learning rates of a run tell to the rules about its losses. */
export class LearningRate {
  readonly #series = new Map<string, { last: number; count: number }>();
  #restarts = 0;
  #restartStep = -1;

  /** How often the rate was put up again, as cosine schedules with warm restarts do. */
  get restarts(): number {
    return this.#restarts;
  }

  take(point: { readonly key: string; readonly step: number; readonly value: number }): void {
    const { key, step, value } = point;
    if (!(value >= 0) || (this.#series.size >= MAX_SERIES && !this.#series.has(key))) return;
    const before = this.#series.get(key) ?? { last: value, count: 0 };
    const isRestart = before.count >= LEAST_POINTS && value > before.last && value >= RESTART * before.last;
    // The rates of several groups of parameters are put up together.
    if (isRestart && step !== this.#restartStep) {
      this.#restarts += 1;
      this.#restartStep = step;
    }
    this.#series.set(key, { last: value, count: before.count + 1 });
  }
}
