// Reads a dataset in a process of its own and prints what it took, as JSON.
//
//   node read-dataset.mjs SOURCE rows|slow|count|profile|sql [SELECT]
import { openDataset } from '../../packages/datasets/src/index.ts';

const [source, what, query] = process.argv.slice(2);
const startedAt = performance.now();
const dataset = await openDataset(source);
const result = await work();
await dataset.close();
const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
process.stdout.write(
  `${JSON.stringify({
    result,
    seconds: (performance.now() - startedAt) / 1000,
    cpuSeconds: (userCPUTime + systemCPUTime) / 1e6,
    peakMb: maxRSS / 1024,
  })}\n`,
);

async function work() {
  switch (what) {
    case 'rows': {
      let rows = 0;
      for await (const batch of dataset.batches()) rows += batch.length;
      return rows;
    }
    case 'slow': {
      // One turn of the event loop per batch: whoever reads ahead shows it by its memory.
      let rows = 0;
      for await (const batch of dataset.batches()) {
        rows += batch.length;
        await new Promise((done) => setTimeout(done, 5));
      }
      return rows;
    }
    case 'count':
      return dataset.count();
    case 'profile':
      return (await dataset.profile()).rows;
    default:
      return (await dataset.sql(query)).rows;
  }
}
