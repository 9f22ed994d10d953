import type { Plan } from '@trainyard/dag';
import {
  type DefinitionFault,
  type PipelineDefinition,
  TrainyardError,
  type UsedPipeline,
} from '@trainyard/protocol';
import {
  checkDocument,
  type DefinitionDocument,
  type Expansion,
  gatherLibrary,
  isJsonObject,
  jsonDocument,
  outsideUses,
  readDocument,
} from '../definition/index.ts';
import { findUnstorableText } from '../storable-text.ts';
import type { PipelineStore } from '../store/pipelines.ts';
import { libraryLoader } from './library-loader.ts';

interface Submitted {
  readonly source?: string | undefined;
  readonly definition?: Record<string, unknown> | readonly unknown[] | undefined;
  readonly fileName?: string | undefined;
  readonly files?: Readonly<Record<string, string>> | undefined;
}

/** What definitions are read with: the registered pipelines that they may use, and the levels that they may have. */
interface DefinitionReads {
  readonly pipelines: PipelineStore;
  readonly maxDepth: number;
}

/** A definition that may be run. */
export interface ReadyDefinition {
  readonly definition: PipelineDefinition;
  readonly plan: Plan;
  /** What is stored, and read again after a restart: with everything that is used put in. */
  readonly source: string;
  /** What was written, where that is something else: others were put into it, or it has an older form. */
  readonly written?: string | undefined;
  readonly uses: readonly UsedPipeline[];
}

/**
 * Reads the definition of a request, given as text or as JSON, with all that it uses.
 * @throws TrainyardError INVALID_DEFINITION with details {faults}, TOO_LARGE
 */
export async function readSubmittedDefinition(
  body: Submitted,
  { pipelines, maxDepth }: DefinitionReads,
): Promise<ReadyDefinition> {
  const { document, text } = documentOf(body);
  const root = { ...document, directory: '.' };
  return ready(root, text, body.fileName, { load: libraryLoader(pipelines, body.files ?? {}), maxDepth });
}

/** A definition to be registered: as it was written, and checked with all that it uses by now. */
export interface RegisteredDefinition {
  readonly name: string;
  readonly description: string | null;
  readonly source: string;
  /** As it was written, with defaults filled in. */
  readonly definition: unknown;
  /** Names of the registered pipelines that it uses. */
  readonly uses: readonly string[];
}

/** As `readSubmittedDefinition`; files cannot be used, and what uses its own name uses itself. */
export async function readDefinitionToRegister(
  body: Submitted,
  { pipelines, maxDepth }: DefinitionReads,
): Promise<RegisteredDefinition> {
  const { document, text } = documentOf(body);
  const load = libraryLoader(pipelines, {});
  const name = isJsonObject(document.json) ? document.json['name'] : undefined;
  // Once it is registered, the newest version of this name is this one.
  const own = typeof name === 'string' ? { ...document, label: name } : undefined;
  const { checked, fileName } = await check(document, body.fileName, {
    maxDepth,
    async load(key) {
      const isOwn = key.kind === 'name' && key.name === name && key.version === 'latest';
      return isOwn && own !== undefined ? own : load(key);
    },
  });
  const { definition, expansion } = checked;
  refuseUnstorable(expansion?.written, fileName);
  const names = outsideUses(document).flatMap((key) => (key.kind === 'name' ? [key.name] : []));
  return {
    name: definition.name,
    description: definition.description ?? null,
    source: text,
    definition: expansion?.written ?? definition,
    uses: [...new Set(names)],
  };
}

/** A version of a registered pipeline, to be run. Throws as `readSubmittedDefinition`. */
export function readRegisteredDefinition(
  version: { readonly name: string; readonly version: number; readonly source: string },
  { pipelines, maxDepth }: DefinitionReads,
): Promise<ReadyDefinition> {
  const fileName = `${version.name}@${version.version}`;
  const reading = { load: libraryLoader(pipelines, {}), maxDepth };
  return ready(readDocument(version.source), version.source, fileName, reading);
}

interface Reading {
  readonly load: ReturnType<typeof libraryLoader>;
  readonly maxDepth: number;
}

async function ready(
  document: DefinitionDocument & { readonly directory?: string },
  text: string,
  fileName: string | undefined,
  reading: Reading,
): Promise<ReadyDefinition> {
  const { checked } = await check(document, fileName, reading);
  const { definition, plan, expansion } = checked;
  if (expansion === undefined) {
    if (document.mapping === undefined) return { definition, plan, source: text, uses: [] };
    // Kept as it was mapped today: a run does not change when another version maps that form otherwise.
    return { definition, plan, source: JSON.stringify(document.json), written: text, uses: [] };
  }
  return { definition, plan, source: JSON.stringify(expansion.json), written: text, uses: expansion.uses };
}

async function check(
  document: DefinitionDocument & { readonly directory?: string },
  fileName = 'the definition',
  { load, maxDepth }: Reading,
): Promise<{
  checked: { definition: PipelineDefinition; plan: Plan; expansion?: Expansion };
  fileName: string;
}> {
  const library = await gatherLibrary(document, load);
  const checked = checkDocument(document, library, maxDepth);
  if (!checked.ok) throw invalidDefinition(checked.faults, fileName);
  const left = checked.expansion?.notChecked ?? [];
  if (left.length > 0) throw new Error(`Nobody looked up what ${fileName} uses: ${left.join(', ')}`);
  // YAML writes a NUL as an escape, so the check of the request has not seen it.
  refuseUnstorable(checked.definition, fileName);
  return { checked, fileName };
}

function documentOf(body: Submitted): { document: DefinitionDocument; text: string } {
  if (body.source !== undefined) return { document: readDocument(body.source), text: body.source };
  // JSON is YAML too, so what is stored can always be read again as text.
  return { document: jsonDocument(body.definition), text: JSON.stringify(body.definition) };
}

function refuseUnstorable(definition: unknown, fileName: string): void {
  const found = findUnstorableText(definition, fileName);
  if (found === undefined) return;
  const path = found.slice(fileName.length + 1).split('/');
  const message = `${path.join('.')} holds a NUL character or half of a surrogate pair, which cannot be stored`;
  throw invalidDefinition([{ code: 'unstorable_text', message, path }], fileName);
}

function invalidDefinition(faults: readonly DefinitionFault[], fileName: string): TrainyardError {
  const first = faults[0]!;
  const place = first.line === undefined ? fileName : `${fileName}:${first.line}:${first.column ?? 1}`;
  const more = faults.length === 1 ? '' : ` (and ${faults.length - 1} more)`;
  return new TrainyardError('INVALID_DEFINITION', `${place}: ${first.message}${more}`, {
    details: { faults },
  });
}
