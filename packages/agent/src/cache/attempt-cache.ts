import { appendFile } from 'node:fs/promises';
import type { AgentClient } from '@trainyard/client';
import type {
  AttemptCache,
  AttemptFiles,
  AttemptSpec,
  CacheHashes,
  ReportedCache,
} from '@trainyard/protocol';
import type { AgentLog } from '../agent-log.ts';
import { type AttemptJournal, isToEnd } from '../attempt/attempt-state.ts';
import type { FinishReport } from '../attempt/finish-report.ts';
import type { Executor } from '../executor.ts';
import { untilAnswered } from '../link/until-answered.ts';
import { messageOf } from '../message-of.ts';
import { sizeText } from '../stream/stream-notes.ts';
import { FilesUnknown } from './files-unknown.ts';
import { HashMemory } from './hash-memory.ts';
import { CACHE_READ_LIMITS, readStageFiles } from './stage-files.ts';

/** Shared by all attempts of the process: the stages of a pipeline mostly name the same files. */
const memory = new HashMemory();
/** Reading that takes no longer is not talked about. */
const FIRST_NOTE_MS = 5000;
const NOTE_EVERY_MS = 10_000;
const MAX_REASON = 2000;

export interface AttemptCacheOptions {
  readonly spec: AttemptSpec;
  readonly files: AttemptFiles;
  readonly executor: Executor | undefined;
  readonly journal: AttemptJournal;
  readonly client: Pick<AgentClient, 'cached'>;
  readonly log: AgentLog;
  /** Follows the log of the attempt from now on. */
  readonly openLog: () => void;
}

/**
 * The cache of one attempt: what the files hold is read before its program starts, a result for just that is
 * asked for, and what the program gives is offered to others if nobody has touched the files meanwhile.
 */
export class AttemptCacheCheck {
  readonly #options: AttemptCacheOptions;
  #hit: Extract<ReportedCache, { kind: 'hit' }> | undefined;

  constructor(options: AttemptCacheOptions) {
    this.#options = options;
  }

  /** Looks for a result, so that the program need not start. @throws the signal's reason */
  async find(signal: AbortSignal): Promise<boolean> {
    const { spec, journal, log } = this.#options;
    const { cache } = spec;
    if (cache === undefined) return false;
    const files = await this.#read(cache, signal, { isBefore: true });
    if (typeof files === 'string') {
      log.warn(
        { attemptId: spec.attemptId, reason: files },
        'a cached stage runs, since its files are not known',
      );
      await journal.update({ cacheFiles: { reason: files } });
      return false;
    }
    // On disk before the program starts: a later agent has to know what it started with.
    await journal.update({ cacheFiles: files });
    const from = cache.lookUp ? await this.#ask(files.hashes, signal) : null;
    if (from === null) return false;
    log.info({ attemptId: spec.attemptId, from }, 'cached');
    this.#hit = { kind: 'hit', hashes: files.hashes, from };
    return true;
  }

  /** The end of an attempt, with what it means for the cache. @throws the signal's reason */
  async endOf(compose: () => Promise<FinishReport>, signal: AbortSignal): Promise<FinishReport> {
    return this.#hitReport() ?? this.#complete(await compose(), signal);
  }

  /** Of one that runs nothing; undefined for any other. */
  #hitReport(): FinishReport | undefined {
    const { spec, journal } = this.#options;
    if (this.#hit === undefined || isToEnd(journal.state)) return undefined;
    return {
      kind: 'finished',
      attemptId: spec.attemptId,
      epoch: spec.epoch,
      token: journal.token,
      at: Date.now(),
      outcome: 'completed',
      exitCode: null,
      signal: null,
      error: null,
      outputs: null,
      cleanupError: null,
      cache: this.#hit,
    };
  }

  async #complete(report: FinishReport, signal: AbortSignal): Promise<FinishReport> {
    const { cache } = this.#options.spec;
    if (cache === undefined || report.outcome !== 'completed') return report;
    return { ...report, cache: await this.#judge(cache, signal) };
  }

  async #judge(cache: AttemptCache, signal: AbortSignal): Promise<ReportedCache> {
    const before = this.#options.journal.state.cacheFiles;
    if (before === null) return { kind: 'unknown', reason: 'its files were not read before it started' };
    if ('reason' in before) return { kind: 'unknown', reason: before.reason };
    const after = await this.#read(cache, signal, { isBefore: false });
    if (typeof after === 'string') return changed(after);
    const isSame =
      after.stamp === before.stamp && JSON.stringify(after.hashes) === JSON.stringify(before.hashes);
    return isSame
      ? { kind: 'ran', hashes: before.hashes }
      : changed(`${changedPlace(cache, before.hashes, after.hashes)} was changed while it ran`);
  }

  /** A text says why it cannot be told. */
  async #read(cache: AttemptCache, signal: AbortSignal, { isBefore }: { readonly isBefore: boolean }) {
    let nextAtMs = performance.now() + FIRST_NOTE_MS;
    const onProgress = (bytes: number): void => {
      if (performance.now() < nextAtMs) return;
      nextAtMs = performance.now() + NOTE_EVERY_MS;
      this.#note(`reading the files that the cache of this stage names: ${sizeText(bytes)} so far`, isBefore);
    };
    try {
      return await readStageFiles(cache, { memory, limits: CACHE_READ_LIMITS, signal, onProgress });
    } catch (error) {
      if (error instanceof FilesUnknown) return error.message.slice(0, MAX_REASON);
      throw error;
    }
  }

  /** Put into the log as long as the program has not begun it. */
  #note(text: string, isBefore: boolean): void {
    const { log, spec, files, executor, openLog } = this.#options;
    log.info({ attemptId: spec.attemptId }, text);
    if (!isBefore || executor?.isLocal !== true) return;
    openLog();
    appendFile(files.output, `[trainyard] ${text}\n`).catch(() => undefined);
  }

  /** The run that has a result. Asks again while the server is away. */
  async #ask(hashes: CacheHashes, signal: AbortSignal): Promise<string | null> {
    const { spec, journal, client, log } = this.#options;
    const { attemptId, epoch } = spec;
    try {
      const ask = () => client.cached(attemptId, journal.token, { epoch, hashes }, signal);
      return (await untilAnswered(ask, signal)).from;
    } catch (error) {
      signal.throwIfAborted();
      // Of one that is over the server says so by its commands, too.
      log.warn({ attemptId, error: messageOf(error) }, 'the cache could not be asked');
      return null;
    }
  }
}

function changed(reason: string): ReportedCache {
  return { kind: 'changed', reason: `its result is not kept: ${reason}`.slice(0, MAX_REASON) };
}

/** For people: what of the files is another one. */
function changedPlace({ inputs, code }: AttemptCache, before: CacheHashes, after: CacheHashes): string {
  const at = before.inputs.findIndex((hash, index) => hash !== after.inputs[index]);
  if (at >= 0) return `"${inputs[at]}"`;
  const { code: now } = after;
  if (typeof before.code === 'string' || typeof now === 'string') {
    return before.code === now ? 'one of its files' : 'the repository';
  }
  const codeAt = before.code.findIndex((hash, index) => hash !== now[index]);
  return codeAt >= 0 ? `"${code?.[codeAt]}"` : 'one of its files';
}
