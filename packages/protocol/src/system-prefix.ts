/** What the keys of all metrics begin with that agents record of their machine. */
export const SYSTEM_PREFIX = 'system/';
