// A training program for tests: STEPS steps of PAUSE_MS, each with a metric line and a log line.
import { appendFileSync, writeFileSync } from 'node:fs';

const steps = Number(process.env.STEPS);
const pauseMs = Number(process.env.PAUSE_MS);
const metrics = `${process.env.PLATFORM_METRICS_DIR}/${process.env.TRAINYARD_RUN_ID}_metrics.jsonl`;

for (let step = 0; step < steps; step += 1) {
  appendFileSync(
    metrics,
    `${JSON.stringify({ step, timestamp: Date.now() / 1000, loss: { total_loss: 1 / (step + 1) } })}\n`,
  );
  process.stdout.write(`step ${step}\n`);
  await new Promise((resolve) => setTimeout(resolve, pauseMs));
}
writeFileSync(process.env.TRAINYARD_OUTPUTS, JSON.stringify({ steps }));
