import { appendFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LevelKind } from '../../lifecycle/level.ts';
import type { Tracker } from '../tracker.ts';
import {
  alertsOf,
  type Bottleneck,
  findBottlenecks,
  type Resource,
  type Severity,
  THRESHOLDS,
  type Thresholds,
} from './bottlenecks.ts';
import { LevelSummary, type SummaryOfLevel } from './level-summary.ts';
import { Machine } from './machine.ts';
import type { Sample } from './sample.ts';

export interface ResourcesTrackerOptions {
  /** Where files are written; `resources` if left out. */
  readonly directory?: string;
  /** From one sample to the next; 1000 if left out. */
  readonly intervalMs?: number;
  readonly thresholds?: Partial<Thresholds>;
  /** Samples that are kept for the analysis: the newest 1000 if left out. All are written. */
  readonly maxSamples?: number;
  /** Processors, memory and GPUs only; true if left out. */
  readonly isLightweight?: boolean;
  readonly machine?: Pick<Machine, 'sample'>;
}

/** What is in `summary.json`. */
export interface ResourcesSummary {
  readonly run: SummaryOfLevel;
  /** The last thousand of them. */
  readonly epochs: readonly SummaryOfLevel[];
  /** Samples in which a part of the machine was above its threshold, and above what is critical. */
  readonly alerts: Partial<Record<Resource, Record<Severity, number>>>;
  readonly bottlenecks: readonly Bottleneck[];
}

const MAX_EPOCHS = 1000;

/**
 * Measures the machine while a run goes on: writes `samples.jsonl`, and at its end `summary.json`, which has mean and
 * maximum of each quantity for the run and for each epoch, how often a part was above its threshold, and what held the
 * training up, with advice; that needs ten samples.
 * @throws RangeError when the interval is none
 */
export function resourcesTracker(options: ResourcesTrackerOptions = {}): Tracker {
  const { directory = 'resources', intervalMs = 1000, maxSamples = 1000, isLightweight = true } = options;
  if (!(intervalMs > 0)) throw new RangeError(`intervalMs is a number above 0, not ${intervalMs}.`);
  const thresholds = { ...THRESHOLDS, ...options.thresholds };
  const samples: Sample[] = [];
  const epochs: SummaryOfLevel[] = [];
  const alerts: Partial<Record<Resource, Record<Severity, number>>> = {};
  const open = new Map<LevelKind, LevelSummary>();
  let machine: Pick<Machine, 'sample'> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let taking: Promise<void> = Promise.resolve();
  let fault: unknown;

  const take = async () => {
    if (machine === undefined) return;
    const sample = await machine.sample();
    samples.push(sample);
    if (samples.length > maxSamples) samples.shift();
    for (const summary of open.values()) summary.add(sample);
    for (const [name, severity] of Object.entries(alertsOf(sample, thresholds))) {
      alerts[name as Resource] ??= { busy: 0, critical: 0 };
      alerts[name as Resource]![severity] += 1;
    }
    appendFileSync(join(directory, 'samples.jsonl'), `${JSON.stringify(sample)}\n`);
  };
  /** One behind the other; what fails is told of at the end of the run, since nobody listens here. */
  const next = () => {
    taking = taking.then(take).catch((error: unknown) => {
      fault ??= error;
    });
    return taking;
  };
  return {
    name: 'resources',
    onStart(level) {
      if (level.kind === 'batch') return;
      open.set(level.kind, new LevelSummary(level));
      if (level.kind !== 'run') return;
      mkdirSync(directory, { recursive: true });
      machine = options.machine ?? new Machine({ isLightweight });
      timer = setInterval(() => void next(), intervalMs);
      timer.unref();
    },
    async onEnd({ kind }, { endedAtMs }) {
      if (kind === 'batch') return;
      // Also an epoch that is shorter than the interval has a sample.
      await next();
      const summary = open.get(kind)?.at(endedAtMs);
      open.delete(kind);
      if (summary === undefined) return;
      if (kind === 'epoch') {
        epochs.push(summary);
        if (epochs.length > MAX_EPOCHS) epochs.shift();
        return;
      }
      clearInterval(timer);
      if (fault !== undefined) throw fault;
      const bottlenecks = findBottlenecks(samples, thresholds);
      writeWhole(join(directory, 'summary.json'), { run: summary, epochs, alerts, bottlenecks });
    },
    close: () => clearInterval(timer),
  };
}

function writeWhole(path: string, summary: ResourcesSummary): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(summary, null, 2)}\n`);
  renameSync(`${path}.new`, path);
}
