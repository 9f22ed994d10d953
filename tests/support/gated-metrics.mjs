// A training program whose test decides how far it gets: writes the text of the files 0, 1, 2 … of the working
// directory to its metrics file, each as soon as it is there, and ends when there is a file `end`.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';

const metrics = `${process.env.PLATFORM_METRICS_DIR}/${process.env.TRAINYARD_RUN_ID}_metrics.jsonl`;
for (let part = 0; ; ) {
  if (existsSync(`${part}.part`)) {
    appendFileSync(metrics, readFileSync(`${part}.part`));
    part += 1;
  } else if (existsSync('end')) break;
  else await new Promise((resolve) => setTimeout(resolve, 10));
}
