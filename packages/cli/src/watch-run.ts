import { type ApprovalInfo, isTerminalRunStatus, type Run } from '@trainyard/protocol';
import { askApproval } from './ask-approval.ts';
import type { CliContext } from './cli-context.ts';
import type { WaitForApproval } from './command-parts.ts';
import type { Connection } from './connection.ts';
import { type Followed, type FollowOptions, followRun } from './follow-run.ts';
import { guardInterrupts, Interrupted } from './interrupt.ts';
import { type Notes, watchQueue } from './queue-watch.ts';
import type { RunState } from './run-state.ts';
import { LiveScreen } from './view/live-screen.ts';
import { latestNotes } from './view/metric-notes.ts';
import { statusIcon, statusPaint } from './view/style.ts';
import { errorMessage, oneLine, renderTree, runDuration } from './view/tree-view.ts';
import { waitingHints, waitsForPerson } from './waiting-approvals.ts';

const REDRAW_MS = 160;
const METRICS_MS = 1000;
/** Above this many runs the latest metrics of all are no longer asked for each second. */
const MAX_RUNS_WITH_METRICS = 300;

/**
 * Shows a root run on stderr until it has ended (a live tree for a person, else a line per change) and gives
 * its final tree. Where no person sits at the terminal, it also comes back when nothing but people can go on,
 * with the approvals that wait; a person who can answer is asked about them. Ctrl-C ends the watching, not the run: rejects with `Interrupted`, which says so.
 */
export async function watchRun(
  context: CliContext,
  connection: Connection,
  rootId: string,
  { waitForApproval = false }: WaitForApproval = {},
): Promise<Followed> {
  const guard = guardInterrupts();
  /** Approvals that the person does not want to decide here and now. */
  const putOff = new Set<string>();
  const isOpen = ({ runId }: ApprovalInfo): boolean => !putOff.has(runId);
  const waitsOn = context.isInteractive || waitForApproval;
  const stopsFor: FollowOptions['stopsFor'] = context.canAsk
    ? (approvals) => approvals.some(isOpen)
    : waitsOn
      ? undefined
      : () => true;
  try {
    for (;;) {
      const followed = await showUntil(context, connection, rootId, { signal: guard.signal, stopsFor });
      if (!context.canAsk || followed.approvals.length === 0) return followed;
      for (const approval of followed.approvals.filter(isOpen)) {
        const asking = { terminal: { input: process.stdin, output: process.stderr }, signal: guard.signal };
        const outcome = await askApproval(context, connection.client, approval, asking);
        if (outcome === 'left') throw new Interrupted(detachedText(rootId, connection));
        // Whatever came of it, it is not asked for again: what was decided is taken in soon.
        putOff.add(approval.runId);
      }
    }
  } catch (error) {
    if (guard.signal.aborted) throw new Interrupted(detachedText(rootId, connection));
    throw error;
  } finally {
    guard.release();
  }
}

async function showUntil(
  context: CliContext,
  connection: Connection,
  rootId: string,
  options: Pick<FollowOptions, 'signal' | 'stopsFor'>,
): Promise<Followed> {
  const view = context.isInteractive ? liveView(context, connection, rootId) : lineView(context);
  let state: RunState | undefined;
  const endQueue = watchQueue(
    () => connection.client,
    () => state,
    (notes) => view.queue(notes, state),
  );
  try {
    return await followRun(connection, rootId, {
      ...options,
      onChange(changed, current) {
        state = current;
        view.change(changed, current);
      },
      onLost: () => view.note(`connection to ${connection.client.url} lost; looking for the server again`),
    });
  } finally {
    endQueue();
    view.end();
  }
}

/** What Ctrl-C leaves behind and how to get back to it. */
function detachedText(rootId: string, connection: Connection): string {
  const goesOn = connection.isOwn
    ? 'Stopped watching. The platform of this command ends with it: running jobs go on by themselves, the rest\n' +
      'continues when a server runs on the data directory again (trainyard up).'
    : 'Stopped watching; the run goes on.';
  return `${goesOn}\n  watch again:  trainyard runs watch ${rootId}\n  cancel it:    trainyard runs cancel ${rootId}`;
}

interface View {
  readonly change: (changed: readonly Run[], state: RunState) => void;
  /** Why jobs stay queued, of all that do. */
  queue(notes: Notes, state: RunState | undefined): void;
  note(text: string): void;
  end(): void;
}

/** One line per change of status, for logs and pipes. */
function lineView(context: CliContext): View {
  const { errStyle } = context;
  /** What was said of why a job stays queued, by run id. */
  const said = new Map<string, string>();
  return {
    queue(notes, state) {
      for (const run of state?.runs() ?? []) {
        const note = notes.get(run.id);
        if (note === undefined || said.get(run.id) === note) continue;
        said.set(run.id, note);
        const paint = statusPaint(run.status, errStyle);
        context.err(
          `${clock()} ${statusIcon(run.status)} ${run.path}: ${paint(run.status)}  ${oneLine(note)}\n`,
        );
      }
    },
    change(changed) {
      for (const run of changed) {
        if (run.status === 'pending' || run.status === 'starting') continue;
        const paint = statusPaint(run.status, errStyle);
        const name = run.path === '' ? run.name : run.path;
        const parts = [`${clock()} ${statusIcon(run.status)} ${name}: ${paint(run.status)}`];
        if (isTerminalRunStatus(run.status)) parts.push(runDuration(run, Date.now()));
        if (run.attempt > 1) parts.push(`attempt ${run.attempt}`);
        if (run.error !== null) parts.push(errorMessage(run.error));
        else if (run.keptFrom !== undefined) parts.push(`kept from ${run.keptFrom}`);
        else if (run.cachedFrom !== undefined) parts.push(`cached from ${run.cachedFrom}`);
        else if (run.reason !== null) parts.push(oneLine(run.reason));
        else if (waitsForPerson(run)) parts.push('for a person');
        context.err(`${parts.filter((part) => part !== '').join('  ')}\n`);
      }
    },
    note: (text) => context.err(`${clock()} ${text}\n`),
    end: () => undefined,
  };
}

function clock(): string {
  return new Date().toTimeString().slice(0, 8);
}

/** The tree, drawn in place. */
function liveView(context: CliContext, connection: Connection, rootId: string): View {
  const screen = new LiveScreen(process.stderr);
  let state: RunState | undefined;
  let metricNotes: Notes = new Map();
  let queued: Notes = new Map();
  let frame = 0;
  let message = '';
  let isAsking = false;

  const draw = (isLast: boolean): void => {
    const tree = state?.tree();
    if (tree === undefined) return;
    const below = [...waitingHints(state?.runs() ?? []), ...(message === '' ? [] : [message])];
    const lines = renderTree({
      tree,
      notes: new Map([...metricNotes, ...queued]),
      nowMs: Date.now(),
      width: screen.width,
      height: Math.max(1, screen.height - below.length),
      frame: isLast ? undefined : frame,
      style: context.errStyle,
    });
    screen.draw([...lines, ...below.map((line) => line.slice(0, screen.width))]);
  };
  const askMetrics = async (): Promise<void> => {
    if (isAsking || state === undefined || state.size > MAX_RUNS_WITH_METRICS) return;
    isAsking = true;
    try {
      metricNotes = latestNotes(await connection.client.getLatestMetrics(rootId, { tree: true }));
    } catch {
      // Decoration only; followRun notices when the server is away.
    } finally {
      isAsking = false;
    }
  };
  const redraw = setInterval(() => {
    frame += 1;
    draw(false);
  }, REDRAW_MS);
  const metrics = setInterval(askMetrics, METRICS_MS);
  return {
    change(_, current) {
      state = current;
      message = '';
      if (current.hasEnded) void askMetrics();
    },
    queue(notes) {
      queued = notes;
    },
    note(text) {
      message = text;
    },
    end() {
      clearInterval(redraw);
      clearInterval(metrics);
      draw(true);
      screen.end();
    },
  };
}
