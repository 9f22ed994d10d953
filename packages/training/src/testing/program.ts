import type { BatchSource } from '../data/batch-source.ts';
import { Pipeline } from '../lifecycle/pipeline.ts';
import type { PipelineOptions } from '../lifecycle/pipeline-options.ts';
import type { MetricInput } from '../metrics/metric-value.ts';

type Body = (program: Program) => unknown;

/** A pipeline whose program is given as a function. */
export class Program extends Pipeline<Record<string, unknown>, string> {
  readonly #body: Body;

  constructor(body: Body, options: PipelineOptions<Record<string, unknown>, string> = {}) {
    super({ handleSignals: false, ...options });
    this.#body = body;
  }

  protected override train(): unknown {
    return this.#body(this);
  }

  override epoch(index: number, body: () => unknown) {
    return super.epoch(index, body);
  }
  override batch(index: number, body: () => unknown, options?: { readonly step?: number }) {
    return super.batch(index, body, options);
  }
  override eachEpoch(count: number, body: (epoch: number) => unknown) {
    return super.eachEpoch(count, body);
  }
  override eachBatch<T>(
    source: BatchSource<T> | Iterable<T> | AsyncIterable<T>,
    body: (batch: T, index: number) => unknown,
  ) {
    return super.eachBatch(source, body);
  }
  override beginEpoch(index: number) {
    return super.beginEpoch(index);
  }
  override endEpoch() {
    return super.endEpoch();
  }
  override stop(reason: string) {
    super.stop(reason);
  }
  override stopEpoch(reason: string) {
    super.stopEpoch(reason);
  }
  override track(name: string, value: MetricInput, options?: { readonly step?: number }) {
    super.track(name, value, options);
  }
  override logParams(params: Readonly<Record<string, unknown>>) {
    super.logParams(params);
  }
}
