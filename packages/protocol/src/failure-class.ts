interface FailureClassRow {
  readonly meaning: string;
  /** What a person can do about it. */
  readonly advice: string;
}

/** Why an attempt or a run failed, in classes that `retryOn` knows, each with what to do about it. */
export const FAILURE_CLASSES = {
  user_error: {
    meaning: 'The program ended with an error of its own.',
    advice: 'Read the last lines of its log; run the same command by hand in its working directory.',
  },
  out_of_memory: {
    meaning: 'Memory ran out, that of the machine or that of a GPU.',
    advice:
      'Use a smaller batch, or gradient accumulation or checkpointing; let fewer jobs share the machine or the GPU.',
  },
  signal: {
    meaning: 'A signal ended the program, sent by something other than Trainyard.',
    advice: 'Look for who sends it: a crash in native code, a limit of the machine, or somebody with kill.',
  },
  launch: {
    meaning: 'The program could not be started.',
    advice: 'Check the command, its permissions and "workingDir" on the machine of the agent.',
  },
  timeout: {
    meaning: 'It ran longer than it may, or showed no progress for too long.',
    advice:
      'Find out what it waits for, its program or a person, or raise the limit that the message names ("timeout", "stallTimeout", "deadline").',
  },
  hardware: {
    meaning: 'A part of the machine failed, such as a GPU.',
    advice: 'Take the machine out of service (`trainyard agents drain`) and look at its kernel log.',
  },
  lost: {
    meaning: 'Its agent, its machine or the way to them went away.',
    advice: 'Look whether the machine is up and its agent runs; the stage is handed out again by itself.',
  },
  preempted: {
    meaning: 'Its agent was stopped and had to end it.',
    advice: 'Nothing: the stage is handed out again, as long as losses are left.',
  },
  not_claimed: {
    meaning: 'No agent took it in the time that it may wait in its queue.',
    advice:
      'Look whether agents that serve its queue, with its labels and GPUs, are there and have room (`trainyard agents list`), or raise "queueTimeout".',
  },
  definition: {
    meaning: 'What the stage is told cannot be done: an expression, its items, or something that it names.',
    advice: 'Read the message; mend the pipeline, its params, or what an earlier stage has put out.',
  },
  diagnosis: {
    meaning: 'A rule of diagnosis ended it, because of what its metrics showed.',
    advice:
      'Look at its findings and curves; mend the training, or change "action" or "stopOn" in "diagnosis".',
  },
  cancelled: {
    meaning: 'Somebody has cancelled or rejected it.',
    advice: 'Ask who did; `trainyard runs retry` goes on from there.',
  },
} as const satisfies Record<string, FailureClassRow>;

export type FailureClass = keyof typeof FAILURE_CLASSES;

/** Codes of errors that tell their class. */
export const CLASS_OF_CODE: Readonly<Record<string, FailureClass>> = {
  exit_code: 'user_error',
  reported_failure: 'user_error',
  signal: 'signal',
  out_of_memory: 'out_of_memory',
  command_not_found: 'launch',
  command_not_executable: 'launch',
  working_dir_missing: 'launch',
  start_failed: 'launch',
  unknown_executor: 'launch',
  gpus_unavailable: 'launch',
  secret_missing: 'launch',
  checkpoint_missing: 'launch',
  timeout: 'timeout',
  deadline: 'timeout',
  stalled: 'timeout',
  queue_timeout: 'not_claimed',
  lost: 'lost',
  partitioned: 'lost',
  machine_restarted: 'lost',
  process_vanished: 'lost',
  preempted: 'preempted',
  time_limit: 'preempted',
  node_failed: 'lost',
  slurm_launch_failed: 'lost',
  never_delivered: 'lost',
  host_unreachable: 'lost',
  start_lost: 'lost',
  unwatched: 'lost',
  superseded: 'lost',
  earlier_attempt_lives: 'lost',
  cached_result_gone: 'lost',
  batch_refused: 'launch',
  code_not_sent: 'launch',
  host_refused: 'launch',
  approval_timeout: 'timeout',
  rejected: 'cancelled',
  cancelled: 'cancelled',
  cancelled_before_start: 'cancelled',
  diagnosis: 'diagnosis',
  expression: 'definition',
  condition: 'definition',
  outputs_too_large: 'definition',
  invalid_items: 'definition',
  too_many_items: 'definition',
  too_many_nodes: 'definition',
  invalid_config: 'definition',
  http_address: 'definition',
  job_not_found: 'definition',
  checkpoint_not_found: 'definition',
  dataset_not_found: 'definition',
  no_evaluation: 'definition',
  no_metric: 'user_error',
  slurm_cancelled: 'signal',
};

/** The class of an error. Programs and functions have codes of their own: what nobody knows is theirs. */
export function failureClassOf(error: {
  readonly code: string;
  readonly class?: FailureClass | undefined;
}): FailureClass {
  const known = Object.hasOwn(CLASS_OF_CODE, error.code) ? CLASS_OF_CODE[error.code] : undefined;
  return error.class ?? known ?? 'user_error';
}

/** The same error with its class. */
export function classed<E extends { readonly code: string; readonly class?: FailureClass | undefined }>(
  error: E,
): E & { readonly class: FailureClass } {
  return { ...error, class: failureClassOf(error) };
}
