/** Stands for "any number" in the row of a worker by the older API that did not say how many GPUs it has. */
export const ANY_GPUS = 1024;
