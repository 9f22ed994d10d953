import type { Level, LevelEnd } from '../lifecycle/level.ts';
import type { MetricRecord, Tracker } from './tracker.ts';

/** Writes a line for each epoch and for the end of the run, on standard output or where `write` says. */
export function consoleTracker(write: (line: string) => void = console.log): Tracker {
  return {
    name: 'console',
    onStart(level) {
      if (level.kind === 'run') write('run started');
    },
    track(records) {
      const [first] = records;
      if (first === undefined || first.of === 'batch') return;
      write(
        `${first.of === 'run' ? 'run' : `epoch ${first.epoch ?? '-'}, step ${first.step}`}: ${text(records)}`,
      );
    },
    onEnd(level, end) {
      if (level.kind === 'run') write(`run ${end.status}${why(end)} after ${seconds(level, end)} s`);
    },
  };
}

function text(records: readonly MetricRecord[]): string {
  return records.map(({ name, value }) => `${name}=${Number(value.toPrecision(6))}`).join(' ');
}

function why({ error, reason }: LevelEnd): string {
  const cause = error === undefined ? reason : `${error.type}: ${error.message}`;
  return cause === undefined ? '' : ` (${cause})`;
}

function seconds({ startedAtMs }: Level, { endedAtMs }: LevelEnd): string {
  return ((endedAtMs - startedAtMs) / 1000).toFixed(1);
}
