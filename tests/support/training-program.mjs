// A training program as a user would write one, without a library: reads its config, writes metrics and
// checkpoints by files. `losses` in the config are the evaluation losses of its checkpoints, one a step.
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const { env } = process;
const config = JSON.parse(readFileSync(env.TRAINYARD_PARAMS, 'utf8'));
const metrics = join(env.PLATFORM_METRICS_DIR, `${env.TRAINYARD_JOB_ID}_metrics.jsonl`);
const status = join(env.PLATFORM_METRICS_DIR, `${env.TRAINYARD_JOB_ID}_status.json`);
const dir = env.TRAINYARD_CHECKPOINT_DIR ?? join(env.TRAINYARD_ATTEMPT_DIR, 'checkpoints');
mkdirSync(dir, { recursive: true });

for (const [step, loss] of config.losses.entries()) {
  appendFileSync(metrics, `${JSON.stringify({ step, loss: { total_loss: loss ?? 'nan' } })}\n`);
  const path = join(dir, `step-${step}`);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'model.bin'), `weights ${config.seed} ${step}`);
  const line = JSON.stringify({ path, step, metrics: loss === null ? {} : { eval_loss: loss } });
  appendFileSync(join(env.TRAINYARD_ATTEMPT_DIR, 'checkpoints.jsonl'), `${line}\n`);
}
writeFileSync(status, JSON.stringify({ job_id: env.TRAINYARD_JOB_ID, status: 'completed' }));
const seen = Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith('TRAINYARD_')));
writeFileSync(env.TRAINYARD_OUTPUTS, JSON.stringify({ config, seen, cwd: process.cwd() }));
if (config.fail) process.exit(3);
