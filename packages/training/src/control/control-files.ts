import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import {
  attemptFiles,
  type ControlAnswer,
  type ControlWord,
  controlWord,
  type ParamAnswer,
  type ParamUpdate,
  paramUpdate,
} from '@trainyard/protocol';

type Env = Readonly<Record<string, string | undefined>>;

/** The program's side of the files by which people outside pause it and change its params (docs/guides/programs.md). */
export class ControlFiles {
  readonly #files: ReturnType<typeof attemptFiles>;

  constructor(directory: string) {
    this.#files = attemptFiles(directory, '');
  }

  /** Those of the attempt that the program is; `undefined` outside of Trainyard. */
  static ofAttempt(env: Env): ControlFiles | undefined {
    const directory = env['TRAINYARD_ATTEMPT_DIR'];
    return directory === undefined || directory === '' ? undefined : new ControlFiles(directory);
  }

  /** What the program is to do; `run` when nobody has said anything. */
  word(): ControlWord {
    return controlWord.safeParse(read(this.#files.control)?.trim()).data ?? 'run';
  }

  answer(answer: ControlAnswer): void {
    write(this.#files.controlAnswer, answer);
  }

  /** All changes so far; `undefined` when there are none. */
  paramUpdate(): ParamUpdate | undefined {
    const text = read(this.#files.paramUpdate);
    if (text === undefined) return undefined;
    try {
      return paramUpdate.safeParse(JSON.parse(text)).data;
    } catch {
      return undefined;
    }
  }

  answerParams(answer: ParamAnswer): void {
    write(this.#files.paramAnswer, answer);
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** Whole at once, so that nobody reads half of it. */
function write(path: string, content: unknown): void {
  writeFileSync(`${path}.new`, JSON.stringify(content));
  renameSync(`${path}.new`, path);
}
