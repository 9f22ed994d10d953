import { appendFile, open, readFile, stat } from 'node:fs/promises';
import { z } from 'zod';
import { writeAtomically } from '../local/write-atomically.ts';
import type { FilePiece } from './poll-answer.ts';

const position = z.object({
  /** Which file of the host the bytes from `base` on are of. */
  identity: z.string(),
  /** Length of the copy when that file began. */
  base: z.number(),
});
type Position = z.infer<typeof position>;

/**
 * The copy on this machine of a file that a program on a host appends to. Its length is the journal: what is in
 * it was received, and the host is asked for what follows. When the file over there is truncated or replaced, its
 * new content follows the old, so that the copy only grows.
 */
export class StreamMirror {
  readonly #path: string;
  readonly #position: Position;
  #size: number;

  private constructor(path: string, size: number, known: Position) {
    this.#path = path;
    this.#size = size;
    this.#position = known;
  }

  static async open(path: string): Promise<StreamMirror> {
    const size = (await stat(path).catch(() => undefined))?.size ?? 0;
    return new StreamMirror(path, size, await readPosition(positionPath(path)));
  }

  /** What the host is to be asked for. */
  get wanted(): { readonly identity: string; readonly offset: number } {
    return { identity: this.#position.identity, offset: Math.max(0, this.#size - this.#position.base) };
  }

  /** Takes over bytes that the host has sent. */
  async take(piece: FilePiece): Promise<void> {
    const { identity, offset } = this.wanted;
    if (piece.identity !== identity || piece.offset !== offset) {
      if (piece.offset !== 0) throw new Error(`${this.#path}: the host sent another part than was asked for`);
      // On disk before its bytes: otherwise they would be taken for the old file's.
      const next = { identity: piece.identity, base: this.#size };
      await writeAtomically(positionPath(this.#path), JSON.stringify(next));
      Object.assign(this.#position, next);
    }
    if (piece.bytes.length === 0) return;
    try {
      await appendFile(this.#path, piece.bytes);
      this.#size += piece.bytes.length;
    } catch (error) {
      // A full disk may have taken a part: the length says how much.
      this.#size = (await stat(this.#path).catch(() => undefined))?.size ?? this.#size;
      throw error;
    }
  }

  /** Makes the file exist, for a program that wrote nothing. */
  async touch(): Promise<void> {
    await (await open(this.#path, 'a')).close();
  }
}

function positionPath(path: string): string {
  return `${path}.mirror`;
}

async function readPosition(path: string): Promise<Position> {
  try {
    return position.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return { identity: 'none', base: 0 };
  }
}
