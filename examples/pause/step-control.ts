import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const dir = process.env['TRAINYARD_ATTEMPT_DIR'];

/**
 * Lets a training loop be paused between two steps: follows the file `control` of the attempt directory
 * (docs/guides/agents.md, "Pause"). Does nothing outside Trainyard.
 */
export class StepControl {
  constructor() {
    answer({ word: 'run' });
  }

  /** Call between two steps. `save` writes a checkpoint and gives its path, or nothing. */
  async atStep(step: number, save: () => string | undefined): Promise<void> {
    if (word() === 'pause') {
      answer({ word: 'pause', step });
      while (word() === 'pause') await delay(20);
      answer({ word: 'run', step });
    }
    if (word() === 'release') {
      const checkpoint = save();
      answer({
        word: 'release',
        step,
        ...(checkpoint === undefined ? {} : { checkpoint: resolve(checkpoint) }),
      });
      process.exit(0);
    }
  }
}

function word(): string {
  if (dir === undefined) return 'run';
  try {
    return readFileSync(join(dir, 'control'), 'utf8').trim();
  } catch {
    return 'run';
  }
}

/** Whole at once, so that nobody reads half of it. */
function answer(content: { word: string; step?: number; checkpoint?: string }): void {
  if (dir === undefined) return;
  const path = join(dir, 'control.ack');
  writeFileSync(`${path}.tmp`, JSON.stringify(content));
  renameSync(`${path}.tmp`, path);
}
