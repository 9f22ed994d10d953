interface EndSignals {
  /** Fires when the program is to end. */
  readonly signal: AbortSignal;
  /** Gives the signals of the process back. */
  release(): void;
}

/**
 * One signal of the caller's and of SIGINT and SIGTERM, if these are to be handled. A second SIGINT or SIGTERM ends
 * the process at once, as without us.
 */
export function onSignals({
  signal,
  handleSignals = true,
}: {
  readonly signal?: AbortSignal;
  readonly handleSignals?: boolean;
}): EndSignals {
  if (!handleSignals) return { signal: signal ?? new AbortController().signal, release() {} };
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals) => controller.abort(new Error(`the program got ${name}`));
  for (const name of SIGNALS) process.once(name, onSignal);
  return {
    signal: signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]),
    release() {
      for (const name of SIGNALS) process.off(name, onSignal);
    },
  };
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
