// Writes numbered lines of output and metrics as fast as its clock lets it, until the file STOP appears in its
// working directory; then the number of lines.
import { appendFileSync, existsSync, writeSync } from 'node:fs';

const { TRAINYARD_RUN_ID: run, PLATFORM_METRICS_DIR: dir, STOP } = process.env;
let written = 0;
setInterval(() => {
  let log = '';
  let metrics = '';
  for (let i = 0; i < 200; i += 1, written += 1) {
    log += `line ${written} of the log\n`;
    metrics += `{"step":${written},"loss":${written}}\n`;
  }
  writeSync(1, log);
  appendFileSync(`${dir}/${run}_metrics.jsonl`, metrics);
  if (!existsSync(STOP)) return;
  writeSync(1, `total ${written}\n`);
  process.exit(0);
}, 10);
