import { TrainyardError } from '@trainyard/protocol/plain';

/** How many GPUs an agent may give to jobs, which ones, or all that the driver lists. */
export type GpuChoice = number | readonly string[] | 'auto';

const MAX_GPUS = 1024;

/** Reads the value of `--gpus`. @throws TrainyardError USAGE */
export function gpuChoice(text: string): GpuChoice {
  if (text === 'auto') return 'auto';
  if (/^\d+$/.test(text) && Number(text) <= MAX_GPUS) return Number(text);
  const ids = text.split(',').map((id) => id.trim());
  if (text.includes(',') || text.startsWith('GPU-') || text.startsWith('MIG-')) {
    if (ids.every((id) => /^[A-Za-z0-9-]+$/.test(id))) return ids;
  }
  throw new TrainyardError(
    'USAGE',
    `--gpus is "${text}"; give a number, ids parted by commas such as GPU-3f2a,GPU-77c1, or auto.`,
  );
}
