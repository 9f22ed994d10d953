import { once } from 'node:events';
import { isTerminalRunStatus, TRAINING_API } from '@trainyard/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { StreamChange } from '../../live/live-bus.ts';
import type { ServerContext } from '../../server-context.ts';
import { findLocalJob, type LocalAttempt, type LocalJob } from './local-jobs.ts';

/** Lines that are read at once. */
const PAGE = 100;
/** Safety net for announcements that were missed, and for the end of the job. */
const LOOK_MS = 2000;
/** Between the end of an attempt and that of its job, or its next try: a moment. */
const END_LOOK_MS = 50;

/** What is followed: a stream of a job, line by line. */
export interface FollowedLines {
  readonly stream: 'log' | 'predictions';
  /** Name of the event of each line. */
  readonly event: string;
  /** Lines from number `offset` on, each as JSON; `offset` of the first that is given, and how many there are in all. */
  read(
    attempt: LocalAttempt,
    page: { readonly offset: number; readonly limit: number },
  ): Promise<{ readonly lines: readonly string[]; readonly offset: number; readonly total: number }>;
}

/**
 * Server-sent events, one for each line, until the job has ended, which the event `end` says. The id is the number
 * of the line; of a further try, which begins anew, `TRY:NUMBER`. Who comes again with `Last-Event-ID` goes on behind
 * it. Without a place it begins with the next one.
 */
export async function streamLines(
  context: Pick<ServerContext, 'database' | 'bus'>,
  followed: FollowedLines,
  given: {
    readonly job: LocalJob;
    readonly request: FastifyRequest;
    readonly reply: FastifyReply;
    readonly offset: number | undefined;
    readonly stopping: AbortSignal;
  },
): Promise<void> {
  const { database, bus } = context;
  const { request, reply, stopping } = given;
  const { attempt } = given.job;
  const last = parseEventId(request.headers['last-event-id']);
  let at = last === undefined ? given.offset : last.line + 1;
  at ??= attempt === null ? 0 : (await followed.read(attempt, { offset: 0, limit: 1 })).total;
  let number = last?.number ?? attempt?.number ?? 1;
  reply.hijack();
  const { raw } = reply;
  const gone = new AbortController();
  raw.once('close', () => gone.abort());
  const over = AbortSignal.any([gone.signal, stopping]);
  raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  const say = async (text: string): Promise<void> => {
    // A reader that is slow is waited for: nothing heaps up here.
    if (!raw.write(text) && !over.aborted) await once(raw, 'drain', { signal: over }).catch(() => undefined);
  };
  const wakeUp = new Waker(over);
  const onStream = (change: StreamChange): void => {
    if (change.runId === given.job.runId && change.stream === followed.stream) wakeUp.call();
  };
  bus.on('stream', onStream).on('remoteStream', onStream);
  try {
    await say(`: ${followed.event}\n\n`);
    for (let saidAtMs = performance.now(); !over.aborted; ) {
      // Read first: what came before the end is told before it.
      const job = await findLocalJob(database.kysely, given.job.runId);
      if (job === undefined) break;
      if (job.attempt !== null && job.attempt.number !== number) {
        number = job.attempt.number;
        at = 0;
      }
      const page =
        job.attempt === null
          ? { lines: [], offset: at }
          : await followed.read(job.attempt, { offset: at, limit: PAGE });
      for (const [index, line] of page.lines.entries()) {
        await say(
          `id: ${toEventId(number, page.offset + index)}\nevent: ${followed.event}\ndata: ${line}\n\n`,
        );
      }
      at = Math.max(at, page.offset + page.lines.length);
      if (page.lines.length > 0) {
        saidAtMs = performance.now();
        continue;
      }
      if (isTerminalRunStatus(job.runStatus)) {
        await say(`event: end\ndata: ${JSON.stringify({ status: job.status })}\n\n`);
        break;
      }
      if (performance.now() - saidAtMs > TRAINING_API.streamPingMs) {
        await say(': \n\n');
        saidAtMs = performance.now();
      }
      await wakeUp.wait(job.endedAt === null ? LOOK_MS : END_LOOK_MS);
    }
  } catch (error) {
    request.log.warn({ err: error }, 'a stream of lines broke off');
  } finally {
    bus.off('stream', onStream).off('remoteStream', onStream);
    raw.end();
  }
}

function toEventId(number: number, line: number): string {
  return number === 1 ? String(line) : `${number}:${line}`;
}

function parseEventId(id: string | string[] | undefined): { number: number; line: number } | undefined {
  const [, number = '1', line] = /^(?:([1-9]\d{0,8}):)?(\d{1,15})$/.exec(String(id)) ?? [];
  return line === undefined ? undefined : { number: Number(number), line: Number(line) };
}

/** A wait that ends early when it is called, also when that was before it began. */
class Waker {
  readonly #over: AbortSignal;
  #isCalled = false;
  #wake: (() => void) | undefined;

  constructor(over: AbortSignal) {
    this.#over = over;
    over.addEventListener('abort', () => this.call(), { once: true });
  }

  call(): void {
    this.#isCalled = true;
    this.#wake?.();
  }

  async wait(ms: number): Promise<void> {
    if (!this.#isCalled && !this.#over.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#isCalled = false;
    this.#wake = undefined;
  }
}
