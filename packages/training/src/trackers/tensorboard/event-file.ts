import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readdirSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileVersionEvent } from './event.ts';
import { framedRecord } from './record.ts';

/**
 * An event file that is written from its beginning. TensorBoard reads the files of a directory in the order of their
 * names, so a new one is named after all that are there.
 */
export class EventFile {
  readonly path: string;
  readonly #file: number;

  /** Makes the directory, too, if it is not there. */
  constructor(directory: string, nowMs: number) {
    mkdirSync(directory, { recursive: true });
    this.path = join(directory, nextName(readdirSync(directory), nowMs));
    this.#file = openSync(this.path, 'ax');
    this.append([fileVersionEvent(nowMs)]);
  }

  /**
   * Appends events. They are with the operating system when it returns, and all of them whole: what was written of
   * them when the disk was full is taken back.
   */
  append(events: readonly Uint8Array[]): void {
    const bytes = Buffer.concat(events.map(framedRecord));
    const { size } = fstatSync(this.#file);
    try {
      for (let written = 0; written < bytes.length; ) written += writeSync(this.#file, bytes, written);
    } catch (error) {
      ftruncateSync(this.#file, size);
      throw error;
    }
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Files of this process so far; one more in the same second gets another name. */
let opened = 0;

function nextName(names: readonly string[], nowMs: number): string {
  const newest = Math.max(0, ...names.map((name) => Number(NAME.exec(name)?.groups?.['seconds'] ?? 0)));
  const seconds = Math.max(Math.floor(nowMs / 1000), newest + 1);
  opened += 1;
  return `events.out.tfevents.${String(seconds).padStart(10, '0')}.${hostname()}.${process.pid}.${opened}`;
}

const NAME = /^events\.out\.tfevents\.(?<seconds>\d{10})\./;
