// Writes numbered lines of output and metrics, LINES of each every 20 ms, until the file STOP appears; then how
// many there were.
import { appendFileSync, existsSync, writeSync } from 'node:fs';

const { TRAINYARD_RUN_ID: run, PLATFORM_METRICS_DIR: dir, STOP, LINES } = process.env;
let written = 0;
setInterval(() => {
  let log = '';
  let metrics = '';
  for (let i = 0; i < Number(LINES); i += 1, written += 1) {
    log += `line ${written} of the log\n`;
    metrics += `{"step":${written},"loss":${written}}\n`;
  }
  writeSync(1, log);
  appendFileSync(`${dir}/${run}_metrics.jsonl`, metrics);
  if (!existsSync(STOP)) return;
  writeSync(1, `total ${written}\n`);
  process.exit(0);
}, 20);
