import { setFlagsFromString } from 'node:v8';

/**
 * For a process that shares its machine with training: the space for new objects stays at a megabyte or two, where
 * V8 would let it grow to 32 and more under load. To be called before much is loaded.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}
