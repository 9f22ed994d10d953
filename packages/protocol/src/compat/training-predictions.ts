import { z } from 'zod';
import { answeredJson, jsonValue } from '../definition/values.ts';
import { TRAINING_API } from './training-api.ts';

/** What a model answers to samples while it is trained, by the older training API. */

/** Bytes of one prediction as JSON. */
export const MAX_PREDICTION_BYTES = 64 * 1024;

/** Other keys, such as scores, are kept as they are. */
export const jobPrediction = z
  .object({
    step: z.int().min(0).nullish(),
    epoch: z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity'])]).nullish(),
    sample_index: z.int().min(0).nullish(),
    prompt: jsonValue.optional(),
    ground_truth: jsonValue.optional(),
    prediction: jsonValue,
  })
  .catchall(jsonValue);
export type JobPrediction = z.infer<typeof jobPrediction>;

export const jobPredictions = z.object({
  predictions: z.array(jobPrediction).max(TRAINING_API.predictionsPerRequest),
  /** How many the sender has sent before these: then each is stored once, however often it is sent. */
  sequence: z.int().min(0).optional(),
});
export const jobPredictionsTaken = z.object({
  success: z.literal(true),
  predictions_appended: z.int(),
  total_predictions: z.int(),
});

export const jobPredictionsPage = z.object({
  predictions: z.array(
    z.looseObject({
      /** Its number among all of the job. */
      index: z.int(),
      timestamp: z.iso.datetime(),
      prediction: answeredJson,
    }),
  ),
  total: z.int(),
  /** Of the first that is answered. */
  offset: z.int(),
  limit: z.int(),
  /** Of the oldest that can be read. */
  first_offset: z.int(),
});

const place = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
export const jobPredictionsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(TRAINING_API.predictionsPerRequest).default(100),
  offset: place.default(0),
});
