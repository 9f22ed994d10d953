// Writes the pages of docs/reference that are tables of packages/protocol (errors, events, statuses) and of
// packages/dag (semantics). With --check it writes nothing and fails, naming the pages that are out of date.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { APPROVAL_STATUSES } from '../packages/protocol/src/approvals-api.ts';
import { ATTEMPT_STATUS_TABLE } from '../packages/protocol/src/attempt-status.ts';
import { ERRORS } from '../packages/protocol/src/errors.ts';
import { EVENT_TYPES } from '../packages/protocol/src/events.ts';
import { RUN_STATUS_TABLE } from '../packages/protocol/src/run-status.ts';
import { dagSemanticsPage } from './dag-semantics-page.mjs';
import { table, yes } from './markdown-table.mjs';

const GENERATED =
  'This page is written by `scripts/generate-reference.mjs` from the tables of `packages/protocol`.';
const reference = join(dirname(dirname(fileURLToPath(import.meta.url))), 'docs', 'reference');
const pages = {
  'dag-semantics.md': dagSemanticsPage,
  'errors.md': errorsPage,
  'events.md': eventsPage,
  'statuses.md': statusesPage,
};

const outdated = [];
for (const [name, write] of Object.entries(pages)) {
  const path = join(reference, name);
  const before = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const after = write(before);
  if (after === before) continue;
  outdated.push(name);
  if (!process.argv.includes('--check')) writeFileSync(path, after);
}
if (process.argv.includes('--check') && outdated.length > 0) {
  console.error(`Out of date: ${outdated.join(', ')}. Run: node scripts/generate-reference.mjs`);
  process.exitCode = 1;
}

/** Replaces the first table of the page; what people wrote around it stays. */
function errorsPage(before) {
  const rows = Object.entries(ERRORS).map(([code, { httpStatus, exitCode, meaning }]) => [
    `<a id="${code.toLowerCase()}"></a>\`${code}\``,
    String(httpStatus),
    String(exitCode),
    meaning,
  ]);
  const head = '| code | HTTP | exit code | meaning |\n';
  const begin = before.indexOf(head);
  if (begin < 0) throw new Error(`docs/reference/errors.md has no table that begins with ${head}`);
  const end = before.indexOf('\n\n', begin);
  const rest = end < 0 ? '\n' : before.slice(end);
  return before.slice(0, begin) + table(['code', 'HTTP', 'exit code', 'meaning'], rows) + rest;
}

function eventsPage() {
  const rows = Object.entries(EVENT_TYPES).map(([type, text]) => {
    const [, meaning, data] = /^(.*?\.)(?: data: (.*)\.)?$/.exec(text);
    return [`\`${type}\``, meaning, (data ?? '').replaceAll(/\b([a-z]\w*)(?=,|$| \()/gi, '`$1`')];
  });
  return `# Events

Events of a run tree are numbered from 1 without gaps; the number (\`seq\`) is the cursor of \`GET /api/v1/runs/{id}/events\` and of the live feed. Events announce what happened; nothing is controlled through them.

${GENERATED}

${table(['type', 'what happened', 'fields of data'], rows)}
`;
}

function statusesPage() {
  return `# Statuses

A terminal status is final. *Success* tells whether stages that depend on the run go on.

${GENERATED}

## Of a run

${table(
  ['status', 'meaning', 'terminal', 'success', 'may be followed by'],
  statusRows(RUN_STATUS_TABLE, (row) => [yes(row.terminal), yes(row.success)]),
)}

## Of an approval

What the [stage that waits for a person](../guides/pipelines.md#an-approval) shows is the status of its run; this is that of the request.

${table(
  ['status', 'meaning'],
  Object.entries(APPROVAL_STATUSES).map(([status, meaning]) => [`\`${status}\``, meaning]),
)}

## Of an attempt

${table(
  ['status', 'meaning', 'terminal', 'the run shows', 'may be followed by'],
  statusRows(ATTEMPT_STATUS_TABLE, (row) => [yes(row.terminal), `\`${row.run}\``]),
)}
`;
}

function statusRows(statuses, middle) {
  return Object.entries(statuses).map(([status, row]) => [
    `\`${status}\``,
    row.meaning,
    ...middle(row),
    row.next.map((next) => `\`${next}\``).join(', '),
  ]);
}
