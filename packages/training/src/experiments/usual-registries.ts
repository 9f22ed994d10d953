import { join } from 'node:path';
import type { TrialConfig } from '@trainyard/protocol';
import type { Callback } from '../callbacks/callback.ts';
import { EarlyStopping } from '../callbacks/early-stopping.ts';
import { MetricsCsv } from '../callbacks/metrics-csv.ts';
import { ProgressBar } from '../callbacks/progress-bar.ts';
import { consoleTracker } from '../trackers/console-tracker.ts';
import { csvTracker } from '../trackers/csv-tracker.ts';
import { filesTracker } from '../trackers/files-tracker.ts';
import { mlflowTracker } from '../trackers/mlflow-tracker.ts';
import { resourcesTracker } from '../trackers/resources/resources-tracker.ts';
import { tensorboardTracker } from '../trackers/tensorboard/tensorboard-tracker.ts';
import type { Tracker } from '../trackers/tracker.ts';
import { Registry } from './registry.ts';
import type { WorkspaceDirectories } from './workspace.ts';

/** What a factory may know beside its settings. */
export interface TrialContext {
  readonly config: TrialConfig;
  /** Of this trial run; they exist. */
  readonly directories: WorkspaceDirectories;
}

/** The trackers that `env.yaml` may name, as in Python. What they write lies below the artifacts of the trial run. */
export function trackerRegistry(): Registry<Tracker, TrialContext> {
  return new Registry<Tracker, TrialContext>('tracker')
    .register('trainyard', (settings) => filesTracker(settings))
    .register('console', () => consoleTracker())
    .register('tensorboard', (settings, { directories }) =>
      tensorboardTracker({ directory: join(directories.artifacts, 'tensorboard'), ...settings }),
    )
    .register('mlflow', (settings) => mlflowTracker(settings))
    .register('resources', (settings, { directories }) =>
      resourcesTracker({ directory: join(directories.artifacts, 'resources'), ...settings }),
    )
    .register('csv', ({ path }, { directories }) =>
      csvTracker(path === undefined ? join(directories.artifacts, 'metrics.csv') : String(path)),
    );
}

/** The callbacks that settings may name: `early_stopping`, `metrics_csv`, `progress_bar`. More may be registered. */
export function callbackRegistry(): Registry<Callback, TrialContext> {
  return new Registry<Callback, TrialContext>('callback')
    .register('early_stopping', (settings) => new EarlyStopping(settings))
    .register(
      'metrics_csv',
      ({ path = 'metrics.log' }, { directories }) => new MetricsCsv(join(directories.logs, String(path))),
    )
    .register('progress_bar', (settings) => new ProgressBar(settings));
}
