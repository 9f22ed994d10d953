import type { Kysely } from 'kysely';
import { getLoggedModel } from '../../registry/logged-models.ts';
import { getModelVersion, getVersionByAlias } from '../../registry/read-versions.ts';
import type { Schema } from '../../store/schema.ts';
import { loggedModelLocation } from './logged-model-view.ts';
import { MlflowRefusal } from './mlflow-error.ts';

export interface ModelSource {
  readonly source: string;
  readonly runId: string | null;
  readonly loggedModelId: string | null;
}

/** A source, with what it means. */
export interface ResolvedSource extends ModelSource {
  readonly storageLocation: string;
}

/**
 * Finds out where the files of a new version are. `models:/m-…` is a logged model, `models:/name/3` and
 * `models:/name@alias` are versions of a registered one; anything else is a place by itself.
 * @param artifactRootOf where the files of a run are
 * @throws MlflowRefusal for a place that leads out of what it says, or a local one that is no part of the run
 */
export async function resolveModelSource(
  db: Kysely<Schema>,
  given: ModelSource,
  artifactRootOf: (runId: string) => Promise<string>,
): Promise<ResolvedSource> {
  const { source, runId, loggedModelId } = given;
  if (source.startsWith('models:')) return resolveModelUri(db, given);
  if (isLocal(source)) {
    if (!(await isBelow(source, given, db, artifactRootOf))) throw notLocal(given);
  } else {
    requireNoTraversal(source);
  }
  const fromModel =
    runId === null && loggedModelId !== null ? await getLoggedModel(db, loggedModelId) : undefined;
  return { source, storageLocation: source, runId: runId ?? fromModel?.sourceRunId ?? null, loggedModelId };
}

async function resolveModelUri(db: Kysely<Schema>, given: ModelSource): Promise<ResolvedSource> {
  const { source } = given;
  const rest = decodeURIComponent(source.replace(/^models:\/*/, ''));
  const byVersion = /^([^/@]+)\/(\d{1,9}|latest)$/i.exec(rest);
  const byAlias = /^([^/@]+)@([\w-]+)$/.exec(rest);
  if (byVersion !== null || byAlias !== null) {
    const [, name = '', which = ''] = (byVersion ?? byAlias)!;
    const isNumber = byVersion !== null && /^\d+$/.test(which);
    const version = isNumber
      ? await getModelVersion(db, name, Number(which))
      : await getVersionByAlias(db, name, which);
    if (version === undefined)
      throw invalidSource(source, `there is no alias "${which}" of the model "${name}".`);
    return {
      source: `models:/${name}/${version.version}`,
      storageLocation: version.storageLocation,
      runId: given.runId ?? version.runId,
      loggedModelId: given.loggedModelId ?? version.loggedModelId,
    };
  }
  if (!/^m-[0-9a-f]+(?:\/|$)/.test(rest)) {
    throw invalidSource(
      source,
      'it must be models:/<logged model>, models:/<name>/<version> or models:/<name>@<alias>.',
    );
  }
  const id = rest.split('/')[0]!;
  if (given.loggedModelId !== null && given.loggedModelId !== id) {
    throw invalidSource(
      source,
      'The model_id request parameter must identify the resource that contains the source.',
    );
  }
  const model = await getLoggedModel(db, id);
  return {
    source,
    storageLocation: loggedModelLocation(model),
    runId: given.runId ?? model.sourceRunId,
    loggedModelId: id,
  };
}

function isLocal(source: string): boolean {
  return source.startsWith('file:') || !/^[a-z][\w+.-]*:/i.test(source);
}

async function isBelow(
  source: string,
  { runId, loggedModelId }: ModelSource,
  db: Kysely<Schema>,
  artifactRootOf: (runId: string) => Promise<string>,
): Promise<boolean> {
  const root =
    loggedModelId !== null
      ? loggedModelLocation(await getLoggedModel(db, loggedModelId))
      : runId !== null
        ? await artifactRootOf(runId)
        : undefined;
  if (root === undefined || !isLocal(root)) return false;
  const [parts, rootParts] = [partsOf(source), partsOf(root)];
  return (
    !parts.includes('..') && rootParts.length > 0 && rootParts.every((part, index) => parts[index] === part)
  );
}

function partsOf(path: string): string[] {
  return decodedFully(path.replace(/^file:\/*/, '/'))
    .split('/')
    .filter((part) => part !== '' && part !== '.');
}

function notLocal({ source, loggedModelId }: ModelSource): MlflowRefusal {
  const by = loggedModelId === null ? 'run_id' : 'model_id';
  return new MlflowRefusal(
    'INVALID_PARAMETER_VALUE',
    `Invalid model version source: '${source}'. To use a local path as a model version source, the ${by} request parameter has to be specified and the local path has to be contained within the artifact directory of the run specified by the ${by}.`,
  );
}

/** @throws MlflowRefusal */
function requireNoTraversal(source: string): void {
  const plain = decodedFully(source);
  if (!plain.includes('\0') && !plain.split(/[/\\]/).includes('..')) return;
  throw invalidSource(
    source,
    'If supplying a source as an http, https, local file path, ftp, objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path references present. Please provide an absolute path.',
  );
}

/** Decoded until nothing is left to decode: nothing may hide in what is encoded twice. */
function decodedFully(text: string): string {
  let plain = text;
  // Each round makes an encoded text shorter.
  for (;;) {
    let next: string;
    try {
      next = decodeURIComponent(plain);
    } catch {
      return plain;
    }
    if (next === plain) return plain;
    plain = next;
  }
}

function invalidSource(source: string, why: string): MlflowRefusal {
  return new MlflowRefusal('INVALID_PARAMETER_VALUE', `Invalid model version source: '${source}'. ${why}`);
}
