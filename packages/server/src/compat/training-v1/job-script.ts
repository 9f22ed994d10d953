import type { TrainingJob } from '@trainyard/protocol';
import { joinPath } from '../../orchestrator/used-unit.ts';

/** A shell script that runs the program of a training job by hand, with the config that a run would give it. */
export function jobScript(job: TrainingJob, config: Readonly<Record<string, unknown>>): string {
  const command =
    typeof job.command === 'string' ? `sh -c ${quoted(job.command)}` : job.command.map(quoted).join(' ');
  const dir =
    job.checkpointDir === undefined
      ? []
      : [['TRAINYARD_CHECKPOINT_DIR', joinPath(job.baseDir, job.checkpointDir)]];
  const env = Object.entries({
    PYTHONUNBUFFERED: '1',
    ...job.env,
    ...Object.fromEntries(dir),
    TRAINYARD_JOB_ID: job.id,
    TRAINYARD_JOB_NAME: job.name,
    // Programs name their metrics file so.
    TRAINYARD_RUN_ID: 'by-hand',
    TRAINYARD_STAGE: 'train',
    TRAINYARD_ATTEMPT: '1',
  });
  return [
    '#!/bin/sh',
    `# Training job ${job.name}, as Trainyard would start it.`,
    'set -eu',
    `cd ${quoted(joinPath(job.baseDir, job.workingDir))}`,
    'TRAINYARD_ATTEMPT_DIR=$(mktemp -d)',
    'TRAINYARD_PARAMS="$TRAINYARD_ATTEMPT_DIR/params.json"',
    'TRAINYARD_OUTPUTS="$TRAINYARD_ATTEMPT_DIR/outputs.json"',
    'PLATFORM_METRICS_DIR="$TRAINYARD_ATTEMPT_DIR/metrics"',
    'export TRAINYARD_ATTEMPT_DIR TRAINYARD_PARAMS TRAINYARD_OUTPUTS PLATFORM_METRICS_DIR',
    'mkdir -p "$PLATFORM_METRICS_DIR"',
    `printf '%s\\n' ${quoted(JSON.stringify(config))} > "$TRAINYARD_PARAMS"`,
    ...env.map(([name, value]) => `export ${name}=${quoted(String(value))}`),
    `exec ${command}`,
    '',
  ].join('\n');
}

/** One word of a POSIX shell, whatever is in it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
