// An evaluation program as a user would write one: looks at a checkpoint and perhaps a dataset, and leaves
// numbers as outputs.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const { env } = process;
const weights = readFileSync(join(env.TRAINYARD_CHECKPOINT, 'model.bin'), 'utf8');
const rows = env.TRAINYARD_DATASET
  ? readFileSync(env.TRAINYARD_DATASET, 'utf8').trim().split('\n').length
  : 0;
const outputs = { weights, checkpoint: env.TRAINYARD_CHECKPOINT, accuracy: 0.5, metrics: { rows } };
writeFileSync(env.TRAINYARD_OUTPUTS, JSON.stringify(outputs));
