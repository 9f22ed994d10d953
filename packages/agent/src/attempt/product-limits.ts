/** Limits of what a program may hand over by files. */
export const PRODUCT_LIMITS = {
  outputsBytes: 1024 * 1024,
  /** Levels of lists and objects inside each other; the server takes 200 in a whole report. */
  outputsDepth: 150,
  datasetsBytes: 4 * 1024 * 1024,
  datasets: 1000,
} as const;
