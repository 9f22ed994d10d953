import { flatParams } from '../param-text.ts';
import type { MetricRecord, Tracker } from '../tracker.ts';
import {
  type Hyperparameter,
  histogramValue,
  hparamsEndValue,
  hparamsStartValue,
  imageValue,
  type SummaryValue,
  scalarValue,
  summaryEvent,
  textValue,
} from './event.ts';
import { EventFile } from './event-file.ts';
import { histogramOf } from './histogram.ts';
import { paramsTable } from './params-table.ts';

export interface TensorboardTrackerOptions {
  /** The run's own directory; TensorBoard names the run after it. */
  readonly directory: string;
  /** Where it is told that histograms, texts and images cannot be written; standard error if left out. */
  readonly warn?: (message: string) => void;
}

/** Also takes what is no metric. These calls write at once; a disk that is full is warned of and ends no training. */
export interface TensorboardTracker extends Tracker {
  /** Values that are not finite are left out. */
  histogram(tag: string, values: ArrayLike<number>, step: number): void;
  /** Markdown. */
  text(tag: string, text: string, step: number): void;
  /** @throws TypeError when the bytes are no PNG */
  image(tag: string, png: Uint8Array, step: number): void;
}

/**
 * Writes an event file of TensorBoard. Each run, also one that is resumed, opens a file of its own behind those that
 * are there. Every value has the step that it was recorded with; metrics of batches, whose steps are numbers of batches,
 * are `batch/NAME`, the parts of a value `NAME/PART`. Params are a text and hyperparameters; the latter are written
 * with the first value, and what is logged behind that is a text only.
 */
export function tensorboardTracker(options: TensorboardTrackerOptions): TensorboardTracker {
  const { directory, warn = console.warn } = options;
  let file: EventFile | undefined;
  let startedAtMs: number | undefined;
  let params: Record<string, Hyperparameter> | undefined;
  let areParamsWritten = false;

  const write = (step: number, values: readonly SummaryValue[], timeMs = Date.now()) => {
    file ??= new EventFile(directory, timeMs);
    file.append([summaryEvent({ timeMs, step }, values)]);
  };
  const writeParams = () => {
    if (areParamsWritten || params === undefined) return;
    write(0, [hparamsStartValue(params, startedAtMs ?? Date.now())]);
    areParamsWritten = true;
  };
  const writeMedium = (step: number, value: SummaryValue) => {
    if (!Number.isSafeInteger(step)) throw new RangeError(`The step is ${step}, not a whole number.`);
    try {
      writeParams();
      write(step, [value]);
    } catch (error) {
      warn(`TensorBoard's file cannot be written: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  return {
    name: `tensorboard ${directory}`,
    onStart({ kind, startedAtMs: at }) {
      if (kind !== 'run') return;
      [startedAtMs, params, areParamsWritten] = [at, undefined, false];
      file ??= new EventFile(directory, at);
    },
    logParams(given) {
      const flat = flatParams(given);
      if (Object.keys(flat).length === 0) return;
      params = { ...params, ...flat };
      write(0, [textValue('params', paramsTable(params))]);
    },
    track(records) {
      writeParams();
      const byStep = Map.groupBy(records, ({ step }) => step);
      for (const [step, each] of byStep) write(step, each.flatMap(scalarsOf), each[0]!.timeMs);
    },
    onEnd({ kind }, { status, endedAtMs }) {
      if (kind !== 'run') return;
      writeParams();
      if (areParamsWritten)
        write(0, [hparamsEndValue(status === 'completed' || status === 'stopped', endedAtMs)]);
    },
    close() {
      file?.close();
      file = undefined;
    },
    histogram: (tag, values, step) => writeMedium(step, histogramValue(tag, histogramOf(values))),
    text: (tag, text, step) => writeMedium(step, textValue(tag, text)),
    image: (tag, png, step) => writeMedium(step, imageValue(tag, png)),
  };
}

function scalarsOf({ name, value, labels, of }: MetricRecord): SummaryValue[] {
  const tag = of === 'batch' ? `batch/${name}` : name;
  const parts = Object.entries(labels ?? {}).map(([label, part]) => scalarValue(`${tag}/${label}`, part));
  return [scalarValue(tag, value), ...parts];
}
