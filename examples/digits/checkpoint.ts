import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { JobError } from './job-error.ts';
import { type Mlp, PARAMETER_BLOCKS, zeroMlp } from './mlp.ts';

/**
 * The file format that train.ts and train.py share: one JSON object with `format`, the shape (`inputs`,
 * `hidden`, `outputs`), `epoch`, and each parameter block as base64 of little-endian 32-bit floats.
 */
export const CHECKPOINT_FORMAT = 'digits-mlp';

/** A saved model as a later stage hears of it. `epoch` counts from 0; accuracy and loss on validation data. */
export interface CheckpointRecord {
  readonly path: string;
  readonly epoch: number;
  readonly accuracy: number;
  readonly loss: number;
}

export function saveCheckpoint(path: string, mlp: Mlp, epoch: number): void {
  const { inputs, hidden, outputs } = mlp;
  const blocks = PARAMETER_BLOCKS.map((block) => [block, encodeFloats(mlp[block])]);
  const document = {
    format: CHECKPOINT_FORMAT,
    inputs,
    hidden,
    outputs,
    epoch,
    ...Object.fromEntries(blocks),
  };
  writeFileSync(`${path}.part`, `${JSON.stringify(document)}\n`);
  renameSync(`${path}.part`, path);
}

/** @throws JobError when the file is missing, is no checkpoint, or its blocks do not fit its shape. */
export function loadCheckpoint(path: string): Mlp {
  const document = readDocument(path);
  const { inputs, hidden, outputs } = document;
  const shape = { inputs: Number(inputs), hidden: Number(hidden), outputs: Number(outputs) };
  if (document['format'] !== CHECKPOINT_FORMAT || !Object.values(shape).every((n) => n > 0 && n <= 65_536)) {
    throw new JobError(`${path} is not a checkpoint of format "${CHECKPOINT_FORMAT}"`);
  }
  const mlp = zeroMlp(shape);
  for (const block of PARAMETER_BLOCKS) {
    const bytes = Buffer.from(String(document[block]), 'base64');
    if (bytes.length !== mlp[block].length * 4) {
      throw new JobError(`${path}: ${block} holds ${bytes.length} bytes, expected ${mlp[block].length * 4}`);
    }
    for (let index = 0; index < mlp[block].length; index++) mlp[block][index] = bytes.readFloatLE(index * 4);
  }
  return mlp;
}

function readDocument(path: string): Record<string, unknown> {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  } catch (cause) {
    throw new JobError(`cannot read the checkpoint ${path}`, { cause });
  }
}

function encodeFloats(values: Float64Array): string {
  const bytes = Buffer.alloc(values.length * 4);
  for (let index = 0; index < values.length; index++) bytes.writeFloatLE(values[index]!, index * 4);
  return bytes.toString('base64');
}
