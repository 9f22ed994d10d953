import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import {
  type Callback,
  latestCheckpoint,
  ModelCheckpoint,
  type ModelCheckpointOptions,
} from '../../packages/training/src/index.ts';
import type { Checkpoints, Kept, Program } from './behaviour-case.ts';

/** The callback of a case that saves checkpoints in its directory, and records them where it would for Trainyard. */
export function modelCheckpoint(directory: string, { options = {}, save = 'file' }: Checkpoints): Callback {
  return Object.assign(
    new ModelCheckpoint({
      directory: join(directory, 'checkpoints'),
      env: { TRAINYARD_ATTEMPT_DIR: directory },
      save: (path) => SAVE[save](path),
      ...(options as Partial<ModelCheckpointOptions>),
    }),
    { name: 'model-checkpoint' },
  );
}

const SAVE: Readonly<Record<NonNullable<Checkpoints['save']>, (path: string) => void>> = {
  file: (path) => writeFileSync(path, 'model'),
  directory: (path) => {
    mkdirSync(join(path, 'inner'), { recursive: true });
    writeFileSync(join(path, 'inner', 'weights'), 'model');
    writeFileSync(join(path, 'ünd'), 'more');
  },
  throws: (path) => {
    writeFileSync(path, 'half');
    throw new TypeError('the disk is full');
  },
  nothing: () => {},
};

export async function resumedFrom(directory: string, { damages = [], resumes = false }: Program) {
  for (const name of damages) writeFileSync(join(directory, 'checkpoints', name), 'damaged');
  return resumes ? latestCheckpoint(join(directory, 'checkpoints')) : undefined;
}

export async function readKept(directory: string): Promise<Kept> {
  const latest = await latestCheckpoint(join(directory, 'checkpoints'));
  const lines = readText(join(directory, 'checkpoints.jsonl'))
    .split('\n')
    .filter((line) => line !== '');
  return {
    names: readdirSync(join(directory, 'checkpoints')).sort(),
    latest: latest === undefined ? null : { ...readRecord(latest.path), name: basename(latest.path) },
    recorded: lines.map((line) => {
      const { path: saved, ...record } = JSON.parse(line) as { path: string };
      return { ...record, name: basename(saved) };
    }),
  };
}

/** What is known of a checkpoint, as it is written beside it, without what callbacks go on from. */
function readRecord(path: string): Readonly<Record<string, unknown>> {
  const { callbacks: _, ...known } = JSON.parse(readText(`${path}.json`)) as { callbacks: unknown };
  return known;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
