/** Ends the run early: the run is `stopped`, which is no failure. Thrown through the program up to its run. */
export class RunStopped extends Error {
  override readonly name = 'RunStopped';
}

/** Ends this epoch early; the run goes on with the next. */
export class EpochStopped extends Error {
  override readonly name = 'EpochStopped';
}

/** The program is to end because somebody outside wants it. */
export class RunCancelled extends Error {
  override readonly name = 'RunCancelled';
}
