/** Limits of an `http` stage. */
export const HTTP_LIMITS = {
  /** Characters of a request body that is given as text. */
  maxBodyLength: 1024 * 1024,
  /** Bytes of a response; a longer one fails the stage. Outputs have a limit of their own. */
  maxResponseBytes: 16 * 1024 * 1024,
  maxRedirects: 10,
} as const;

/** Limits of a `preprocess_dataset` stage, whose data is held in memory. */
export const PREPROCESS_LIMITS = {
  /** Bytes of the file that is read. */
  maxBytes: 256 * 1024 * 1024,
  maxSplits: 20,
} as const;
