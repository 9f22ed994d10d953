import type { HostLink } from '../remote/host-link.ts';
import { COMPLETE_LINE } from '../remote/start-payload.ts';
import { shellQuote } from '../transport/shell-quote.ts';
import { TransportError } from '../transport/transport.ts';
import { CANCEL_SCRIPT } from './cancel-script.ts';

/** An attempt that is to end. */
export interface SlurmCancel {
  readonly attemptId: string;
  /** Of the attempt, on the host and the nodes. */
  readonly dir: string;
  readonly signal: 'TERM' | 'KILL';
}

interface Waiting {
  readonly cancel: SlurmCancel;
  readonly resolve: (said: string) => void;
  readonly reject: (error: unknown) => void;
}

/** Ends attempts that are to end at the same time, such as the items of an array, by one call of scancel. */
export class SlurmCancels {
  readonly #link: HostLink;
  #waiting: Waiting[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(link: HostLink) {
    this.#link = link;
  }

  /**
   * @returns `ended`, `prevented` (it was not started, and never will be) or `sent`
   * @throws TransportError when it is not known what became of it
   */
  cancel(cancel: SlurmCancel): Promise<string> {
    const said = new Promise<string>((resolve, reject) => this.#waiting.push({ cancel, resolve, reject }));
    this.#timer ??= setTimeout(() => this.#send(), GATHER_MS);
    return said;
  }

  /** Nothing that waits is done any more. */
  close(reason: Error): void {
    clearTimeout(this.#timer);
    for (const { reject } of this.#waiting.splice(0)) reject(reason);
  }

  #send(): void {
    this.#timer = undefined;
    const waiting = this.#waiting.splice(0);
    for (let from = 0; from < waiting.length; from += MAX_PER_CALL) {
      const part = waiting.slice(from, from + MAX_PER_CALL);
      this.#call(part.map(({ cancel }) => cancel)).then(
        (words) => {
          for (const [at, each] of part.entries()) settle(each, words.get(at));
        },
        (error: unknown) => {
          for (const { reject } of part) reject(error);
        },
      );
    }
  }

  /** What is said of each, by its place. */
  async #call(cancels: readonly SlurmCancel[]): Promise<ReadonlyMap<number, string>> {
    const lines = cancels.map(({ attemptId, dir, signal }, at) => {
      const words = [String(at), signal, attemptId, dir];
      return `one ${words.map(shellQuote).join(' ')}\n`;
    });
    const { exitCode, stdout, stderr } = await this.#link.once({
      script: CANCEL_SCRIPT,
      stdin: Buffer.from(`each() {\n${lines.join('')}}\n${COMPLETE_LINE}`),
      timeoutMs: CANCEL_LIMIT_MS,
    });
    if (exitCode !== 0) throw new TransportError('unreachable', `Slurm did not answer: ${stderr.trim()}`);
    const said = stdout.toString('utf8').trim().split('\n');
    return new Map(said.map((line) => [Number(line.split(' ')[0]), line.split(' ')[1] ?? '']));
  }
}

function settle({ cancel, resolve, reject }: Waiting, word: string | undefined): void {
  if (word !== undefined && word !== 'failed') resolve(word);
  else reject(new TransportError('unreachable', `Slurm did not end the job of ${cancel.attemptId}`));
}

/** A cancel of a whole run comes as one answer of the server; each notes it on disk first. */
const GATHER_MS = 100;
/** Their names are one argument, and Linux takes 128 KiB as one. */
const MAX_PER_CALL = 200;
/** A command of Slurm waits by itself for about 18 s when its controller is away; three follow each other. */
const CANCEL_LIMIT_MS = 90_000;
