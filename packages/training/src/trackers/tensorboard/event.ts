import type { Histogram } from './histogram.ts';
import { pngHead } from './png-head.ts';
import { field } from './protobuf.ts';

/**
 * Events of TensorBoard as bytes. Field numbers are those of `event.proto`, `summary.proto` and `tensor.proto` of
 * TensorBoard (tensorboard/compat/proto) and of its plugin's `hparams/plugin_data.proto`.
 */
export interface EventTime {
  readonly timeMs: number;
  /** The x-axis, as it is: any whole number. */
  readonly step: number;
}

/** A summary value: what is shown under a tag. */
export type SummaryValue = Buffer;

/** The first event of a file. */
export function fileVersionEvent(timeMs: number): Buffer {
  return Buffer.concat([field.double(1, timeMs / 1000), field.text(3, 'brain.Event:2')]);
}

export function summaryEvent({ timeMs, step }: EventTime, values: readonly SummaryValue[]): Buffer {
  return Buffer.concat([
    field.double(1, timeMs / 1000),
    field.integer(2, step),
    field.message(5, ...values.map((value) => field.bytes(1, value))),
  ]);
}

/** Kept with the precision of 32 bits, as TensorBoard reads it. */
export function scalarValue(tag: string, value: number): SummaryValue {
  return Buffer.concat([field.text(1, tag), field.float(2, value)]);
}

export function histogramValue(tag: string, histogram: Histogram): SummaryValue {
  const { min, max, count, sum, sumOfSquares, limits, counts } = histogram;
  return Buffer.concat([
    field.text(1, tag),
    field.message(
      5,
      field.double(1, min),
      field.double(2, max),
      field.double(3, count),
      field.double(4, sum),
      field.double(5, sumOfSquares),
      field.packedDoubles(6, limits),
      field.packedDoubles(7, counts),
    ),
  ]);
}

/** @throws TypeError when the bytes are no PNG */
export function imageValue(tag: string, png: Uint8Array): SummaryValue {
  const { width, height, channels } = pngHead(png);
  return Buffer.concat([
    field.text(1, tag),
    field.message(
      4,
      field.integer(1, height),
      field.integer(2, width),
      field.integer(3, channels),
      field.bytes(4, png),
    ),
  ]);
}

/** Markdown, shown as such. */
export function textValue(tag: string, text: string): SummaryValue {
  const oneText = field.message(2, field.message(2, field.integer(1, 1)));
  return Buffer.concat([
    field.text(1, `${tag}/text_summary`),
    field.message(9, pluginData('text'), field.integer(4, DATA_TENSOR)),
    field.message(8, field.integer(1, TYPE_STRING), oneText, field.text(8, text)),
  ]);
}

export type Hyperparameter = number | string | boolean;

/** What a run was started with. Of one run, TensorBoard takes the first. */
export function hparamsStartValue(
  hparams: Readonly<Record<string, Hyperparameter>>,
  startedAtMs: number,
): SummaryValue {
  const entries = Object.entries(hparams).map(([name, value]) =>
    field.message(1, field.text(1, name), field.message(2, structValue(value))),
  );
  const info = field.message(3, ...entries, field.double(5, startedAtMs / 1000));
  return hparamsValue('_hparams_/session_start_info', info);
}

export function hparamsEndValue(isSuccess: boolean, endedAtMs: number): SummaryValue {
  const info = field.message(4, field.integer(1, isSuccess ? 1 : 2), field.double(2, endedAtMs / 1000));
  return hparamsValue('_hparams_/session_end_info', info);
}

/** All that counts is in the metadata; the tensor beside it is empty. */
function hparamsValue(tag: string, content: Buffer): SummaryValue {
  const version = field.integer(1, 0);
  return Buffer.concat([
    field.text(1, tag),
    field.message(9, pluginData('hparams', Buffer.concat([version, content])), field.integer(4, DATA_TENSOR)),
    field.message(8, field.integer(1, TYPE_FLOAT), field.message(2, field.message(2, field.integer(1, 0)))),
  ]);
}

function pluginData(name: string, content?: Buffer): Buffer {
  return field.message(1, field.text(1, name), ...(content === undefined ? [] : [field.bytes(2, content)]));
}

/** `google.protobuf.Value`. */
function structValue(value: Hyperparameter): Buffer {
  if (typeof value === 'number') return field.double(2, value);
  return typeof value === 'string' ? field.text(3, value) : field.integer(4, Number(value));
}

const DATA_TENSOR = 2;
const TYPE_FLOAT = 1;
const TYPE_STRING = 7;
