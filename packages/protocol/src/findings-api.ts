import { z } from 'zod';
import { DIAGNOSIS_RULE_NAMES, FINDING_ACTIONS, FINDING_SEVERITIES } from './definition/diagnosis.ts';
import { idCursor } from './page-cursor.ts';

const instant = z.iso.datetime();

/** Something that a rule has found in the metrics of an attempt. */
export const findingInfo = z.object({
  id: z.string(),
  runId: z.string(),
  rootId: z.string(),
  /** Name of the root run. */
  pipeline: z.string(),
  path: z.string(),
  attempt: z.int(),
  rule: z.enum(DIAGNOSIS_RULE_NAMES),
  /** The metric key, or what the keys that the rule compares have in common; empty for the whole run. */
  key: z.string(),
  /** The worst that it was. */
  severity: z.enum(FINDING_SEVERITIES),
  action: z.enum(FINDING_ACTIONS),
  message: z.string(),
  /** Where on the curve it shows: training steps and epoch milliseconds, both ends included. */
  firstStep: z.number().nullable(),
  lastStep: z.number().nullable(),
  firstTime: z.number().nullable(),
  lastTime: z.number().nullable(),
  openedAt: instant,
  /** Null: it held to the end of the attempt, or still holds. */
  closedAt: instant.nullable(),
  acknowledgedAt: instant.nullable(),
  acknowledgedBy: z.string().nullable(),
});
export type FindingInfo = z.infer<typeof findingInfo>;

export const listFindingsQuery = z.object({
  /** Only those of this run and, with `below`, of all runs inside of it. */
  run: z.string().max(100).optional(),
  below: z.stringbool().default(true),
  /** Only those that still hold. */
  open: z.stringbool().default(false),
  /** Only those that nobody has acknowledged and that are more than a note. */
  unseen: z.stringbool().default(false),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: idCursor('fnd'),
});

/** How well a run is, by what is open in its newest attempt. */
export const runHealth = z.object({
  runId: z.string(),
  /** 0 to 100: 50, 30, 15 and 5 are taken away for each critical, high, medium and low finding. */
  score: z.int(),
  /** healthy from 80 on, warning from 50 on. */
  status: z.enum(['healthy', 'warning', 'critical']),
  findings: z.array(findingInfo),
});
export type RunHealth = z.infer<typeof runHealth>;
