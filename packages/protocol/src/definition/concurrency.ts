import { z } from 'zod';
import { DEFINITION_LIMITS } from './limits.ts';
import { name } from './values.ts';

/** What happens to what comes when a concurrency group has no room. */
const ON_CONFLICT = ['queue', 'cancel_newest', 'cancel_running'] as const;
export type OnConflict = (typeof ON_CONFLICT)[number];

/** A text of which some or all may be an expression. */
const template = z
  .string()
  .max(10_000)
  .regex(/\$\{\{/);

const poolName = z.union([name, template], {
  error:
    'the name of a pool (letters, digits, "_", "-" and ".", at most 100), or a text with expressions: ${{ … }}',
});

const poolUse = z.union([
  poolName,
  z.strictObject({ name: poolName, slots: z.int().min(1).max(DEFINITION_LIMITS.maxPoolSlots).default(1) }),
]);
export type PoolUse = z.infer<typeof poolUse>;

/** Pools that a job takes slots of while an agent has it. */
export const poolUses = z
  .array(poolUse)
  .min(1)
  .max(DEFINITION_LIMITS.maxPoolsOfStage)
  .check(({ value, issues }) => {
    const names = value.map((use) => (typeof use === 'string' ? use : use.name));
    for (const [index, name] of names.entries()) {
      if (names.indexOf(name) === index) continue;
      const message = `the pool "${name}" is listed twice; give its slots once: { name: ${name}, slots: … }`;
      issues.push({ code: 'custom', input: value, path: [index], message });
    }
  });

/** A group of which only so many may be at work at the same time: of jobs on a stage, of runs on a file. */
export const concurrency = z.strictObject({
  group: z.string().min(1).max(10_000),
  limit: z.int().min(1).max(DEFINITION_LIMITS.maxParallel).default(1),
  onConflict: z.enum(ON_CONFLICT).default('queue'),
});
export type ConcurrencyDefinition = z.infer<typeof concurrency>;
