import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { LogFile } from './log-file.ts';
import type { Placement } from './placement.ts';
import { PROGRAM_ENVIRONMENT } from './run-as.ts';
import { commandLineSettings, type Settings } from './settings.ts';

/** How the server process ended, and the last lines of its log. */
export interface PostmasterExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly logTail: string;
}

export interface Postmaster {
  readonly exited: Promise<PostmasterExit>;
  /** Undefined while it runs. */
  exit(): PostmasterExit | undefined;
  /** Asks for a fast shutdown and waits until the process is gone. */
  stop(): Promise<void>;
  /** Lets this process end although the database runs; it then ends with us. */
  unref(): void;
}

/**
 * Runs the server as its child and stands between it and us. Its standard input is a pipe whose other end
 * only our process has, so it reads the end of file when we are gone, however we went. Then, or when told
 * `stop`, it asks for a fast shutdown, after a bound for an immediate one, after another kills. Being the
 * parent it cannot hit a stranger: the server's pid stays taken until it has been waited for. In a session
 * of its own, it gets no Ctrl-C from our terminal.
 */
const WATCHDOG = `
trap '' HUP INT TERM
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
press() {
  kill -"$1" "$server" 2>/dev/null || return 0
  rounds=$2
  while [ "$rounds" -gt 0 ] && kill -0 "$server" 2>/dev/null; do
    sleep 0.1
    rounds=$((rounds - 1))
  done
}
(
  patience=40
  read -r word <&3 && [ "$word" = stop ] && patience=300
  press INT "$patience"
  press QUIT 20
  press KILL 1
) &
guard=$!
wait "$server"
code=$?
{ kill -KILL "$guard"; wait "$guard"; } 2>/dev/null
exit "$code"
`;

/** Starts a postmaster under the watchdog. It is not yet ready to be connected to. */
export function spawnPostmaster(params: {
  readonly placement: Placement;
  readonly clusterDirectory: string;
  readonly settings: Settings;
  readonly log: LogFile;
}): Postmaster {
  const { placement, log } = params;
  const command = [
    ...placement.runAs.prefix,
    join(placement.binaries.binDirectory, 'postgres'),
    '-D',
    params.clusterDirectory,
    ...commandLineSettings(params.settings),
  ];
  const child = spawn('sh', ['-c', WATCHDOG, 'trainyard-postgres', ...command], {
    ...placement.runAs.ids,
    cwd: '/',
    env: PROGRAM_ENVIRONMENT,
    detached: true,
    stdio: ['pipe', log.fd, log.fd],
  });
  const lifeline = child.stdin as Socket;
  // The watchdog may be gone before it reads the word.
  lifeline.on('error', () => {});

  let exit: PostmasterExit | undefined;
  const exited = new Promise<PostmasterExit>((resolve) => {
    const settle = (code: number | null, signal: NodeJS.Signals | null): void => {
      exit = { ...explain(code, signal), logTail: log.tail() };
      // If only the watchdog's first process was killed, its second one still stops the server.
      lifeline.destroy();
      resolve(exit);
    };
    child.once('error', () => settle(127, null));
    child.once('exit', settle);
  });
  return {
    exited,
    exit: () => exit,
    stop: async () => {
      child.ref();
      lifeline.end('stop\n');
      await exited;
    },
    unref: () => {
      child.unref();
      lifeline.unref();
    },
  };
}

/** A shell reports the signal that ended its child as 128 plus its number. */
function explain(
  code: number | null,
  signal: NodeJS.Signals | null,
): { code: number | null; signal: NodeJS.Signals | null } {
  if (code === null || code <= 128) return { code, signal };
  const name = Object.entries(constants.signals).find(([, number]) => number === code - 128)?.[0];
  return name === undefined ? { code, signal } : { code: null, signal: name as NodeJS.Signals };
}
