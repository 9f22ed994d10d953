import { z } from 'zod';
import { failureClass } from '../attempt-failure.ts';
import { linearRegex } from '../linear-regex.ts';

const MAX_PATTERN_LENGTH = 500;
/** Of one pipeline or stage. */
const MAX_PATTERNS = 50;

/** What a line of the log says about a failure. */
export const failurePattern = z.strictObject({
  pattern: z
    .string()
    .min(1)
    .max(MAX_PATTERN_LENGTH)
    .superRefine((value, context) => {
      try {
        linearRegex(value);
      } catch (error) {
        context.addIssue({ code: 'custom', message: (error as Error).message });
      }
    }),
  class: failureClass.default('user_error'),
  label: z.string().min(1).max(100).optional(),
  noRetry: z.boolean().default(false),
  excludeAgent: z.boolean().default(false),
});
export type FailurePattern = z.infer<typeof failurePattern>;

export const failurePatterns = z.array(failurePattern).max(MAX_PATTERNS);

/** Looked for in the log of every failed program, after the patterns of its stage and pipelines. */
export const DEFAULT_FAILURE_PATTERNS: readonly FailurePattern[] = [
  {
    pattern:
      'CUDA out of memory|CUDA_ERROR_OUT_OF_MEMORY|OutOfMemoryError|HIP out of memory|CUBLAS_STATUS_ALLOC_FAILED|RESOURCE_EXHAUSTED: Out of memory',
    class: 'out_of_memory',
    label: 'GPU memory',
    noRetry: true,
    excludeAgent: false,
  },
  {
    pattern: 'MemoryError|std::bad_alloc|Cannot allocate memory|JavaScript heap out of memory',
    class: 'out_of_memory',
    label: 'memory of the machine',
    noRetry: false,
    excludeAgent: false,
  },
  {
    pattern:
      'uncorrectable ECC error|GPU has fallen off the bus|cudaErrorECCUncorrectable|Unable to determine the device handle for GPU',
    class: 'hardware',
    label: 'GPU fault',
    noRetry: false,
    excludeAgent: true,
  },
];
