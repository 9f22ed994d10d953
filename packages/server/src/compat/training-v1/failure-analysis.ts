/** What a failed job most likely failed of, found in its error and the end of its log by patterns. Pure. */
export interface FailureFinding {
  readonly category: string | null;
  readonly summary: string;
  /** Lines that say so. */
  readonly evidence: string[];
  readonly suggestions: string[];
  readonly adjustments: Record<string, unknown>;
}

interface Rule {
  readonly category: string;
  readonly pattern: RegExp;
  readonly summary: string;
  readonly suggestions: readonly string[];
  /** Changes of the config that may help, as far as it has what they change. */
  readonly adjust?: (config: Readonly<Record<string, unknown>>) => Record<string, unknown>;
}

const MAX_EVIDENCE = 5;
const MAX_EVIDENCE_LENGTH = 500;

/** In the order in which they count: the cause before what follows from it. */
const RULES: readonly Rule[] = [
  {
    category: 'gpu_out_of_memory',
    pattern: /cuda out of memory|outofmemoryerror|cublas_status_alloc_failed|hip out of memory/i,
    summary: 'The GPU has too little memory for this model and batch.',
    suggestions: [
      'Halve the batch size and double the gradient accumulation.',
      'Use gradient checkpointing or a shorter maximum length.',
    ],
    adjust: smallerBatch,
  },
  {
    category: 'out_of_memory',
    pattern: /\bmemoryerror\b|cannot allocate memory|\boom[- ]?kill|out of memory/i,
    summary: 'The machine has too little memory.',
    suggestions: [
      'Load the dataset in pieces, or with fewer workers.',
      'Run the job on a machine with more memory.',
    ],
  },
  {
    category: 'diverged',
    pattern:
      /loss (?:is|was|became) (?:nan|inf)|nan (?:or inf )?(?:loss|detected)|non-finite loss|gradient overflow/i,
    summary: 'The loss is no finite number any more: the training diverged.',
    suggestions: [
      'Lower the learning rate, or warm up for longer.',
      'Clip gradients; check the dataset for broken rows.',
    ],
    adjust: slowerLearning,
  },
  {
    category: 'gpu_fault',
    pattern:
      /cuda error|device-side assert|nccl (?:error|failure)|uncorrectable ecc|gpu has fallen off the bus/i,
    summary: 'A GPU or its driver reported a fault.',
    suggestions: ['Run again on another GPU; if it comes back there, look at the first error above it.'],
  },
  {
    category: 'missing_module',
    pattern: /modulenotfounderror|no module named|importerror|cannot find module/i,
    summary: 'The program needs a library that is not installed where it ran.',
    suggestions: ['Install it in the environment that the command uses.'],
  },
  {
    category: 'missing_file',
    pattern: /filenotfounderror|no such file or directory|enoent/i,
    summary: 'A file that the program needs is not there.',
    suggestions: ['Check the paths of dataset, model and working directory on the machine that ran it.'],
  },
  {
    category: 'disk_full',
    pattern: /no space left on device|disk quota exceeded|enospc/i,
    summary: 'A disk is full.',
    suggestions: ['Keep fewer checkpoints (retention), or free some space.'],
  },
  {
    category: 'network',
    pattern:
      /connection(?:error| refused| reset| timed out)|name or service not known|read timed out|econnrefused/i,
    summary: 'Something on the network did not answer.',
    suggestions: ['Check access to model and dataset hosts; give the stage a retry with backoff.'],
  },
  {
    category: 'permission',
    pattern: /permission denied|eacces|401 client error|403 client error/i,
    summary: 'Access was refused.',
    suggestions: ['Check rights of files and tokens of hosts; put tokens into secrets.'],
  },
  {
    category: 'killed',
    pattern: /\bsignal (?:9|kill)|\bkilled\b|exit code 137/i,
    summary: 'The process was killed from outside, most often for its memory.',
    suggestions: ['Look at the memory of the machine at that time.'],
  },
];

/** @param lines error message first, then the end of the log, oldest first */
export function analyseFailure(
  lines: readonly string[],
  config: Readonly<Record<string, unknown>>,
): FailureFinding {
  for (const { category, pattern, summary, suggestions, adjust } of RULES) {
    const evidence = lines.filter((line) => pattern.test(line)).slice(-MAX_EVIDENCE);
    if (evidence.length === 0) continue;
    return {
      ...{ category, summary, suggestions: [...suggestions] },
      evidence: evidence.map((line) => line.slice(0, MAX_EVIDENCE_LENGTH)),
      adjustments: adjust?.(config) ?? {},
    };
  }
  return {
    category: null,
    summary: 'Nothing that is known of was recognised in the error and the end of the log.',
    evidence: lines.slice(-MAX_EVIDENCE).map((line) => line.slice(0, MAX_EVIDENCE_LENGTH)),
    suggestions: [],
    adjustments: {},
  };
}

const BATCH_KEYS = ['batch_size', 'per_device_train_batch_size', 'train_batch_size', 'batchSize'];
const ACCUMULATION_KEYS = ['gradient_accumulation_steps', 'gradientAccumulationSteps', 'accumulation'];
const RATE_KEYS = ['learning_rate', 'learningRate', 'lr'];

function smallerBatch(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return inSection(config, (section) => {
    const batch = changed(section, BATCH_KEYS, (size) => (size >= 2 ? Math.floor(size / 2) : undefined));
    if (Object.keys(batch).length === 0) return {};
    const accumulation = changed(section, ACCUMULATION_KEYS, (steps) => steps * 2);
    const isNew = Object.keys(accumulation).length === 0;
    return { ...batch, ...(isNew ? { gradient_accumulation_steps: 2 } : accumulation) };
  });
}

function slowerLearning(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return inSection(config, (section) => changed(section, RATE_KEYS, (rate) => rate / 2));
}

/** What `change` makes of the config, or else of its section "training". */
function inSection(
  config: Readonly<Record<string, unknown>>,
  change: (section: Readonly<Record<string, unknown>>) => Record<string, unknown>,
): Record<string, unknown> {
  const own = change(config);
  const section = config['training'];
  if (Object.keys(own).length > 0 || typeof section !== 'object' || section === null) return own;
  const inner = change(section as Record<string, unknown>);
  return Object.keys(inner).length === 0 ? {} : { training: inner };
}

/** The first of these keys that holds a number, changed; nothing when there is none or it cannot be. */
function changed(
  config: Readonly<Record<string, unknown>>,
  keys: readonly string[],
  change: (value: number) => number | undefined,
): Record<string, unknown> {
  const key = keys.find((name) => typeof config[name] === 'number');
  const value = key === undefined ? undefined : change(config[key] as number);
  return key === undefined || value === undefined ? {} : { [key]: value };
}
