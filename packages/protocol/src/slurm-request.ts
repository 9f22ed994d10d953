import { z } from 'zod';

/** A partition, an account: never begins with "-", holds nothing that Slurm reads otherwise. */
export const slurmWord = z
  .string()
  .max(250)
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.+,-]*$/, 'not a name that Slurm takes');

/** Kind of a GPU as the cluster calls it, such as `a100`. */
export const gpuType = z
  .string()
  .max(100)
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/, 'not a type of GPU that Slurm takes');

/** What an attempt asks of Slurm; what is left out is as the agent is set. */
export const slurmRequest = z.object({
  partition: slurmWord.optional(),
  account: slurmWord.optional(),
  qos: slurmWord.optional(),
  cpus: z.int().min(1).optional(),
  memory: z.string().optional(),
  timeMinutes: z.int().min(1).optional(),
  gpuType: gpuType.optional(),
  nodes: z.int().min(1).optional(),
  tasksPerNode: z.int().min(1).optional(),
});
export type SlurmRequest = z.infer<typeof slurmRequest>;
