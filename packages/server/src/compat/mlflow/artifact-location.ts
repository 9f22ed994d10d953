import { TRACKING_LIMITS } from '../../tracking/tracking-limits.ts';
import { requireLength } from './field-limits.ts';
import { MlflowRefusal } from './mlflow-error.ts';

/** Refuses a place for artifacts that no path can be put behind. @throws MlflowRefusal */
export function requireArtifactLocation(location: string): void {
  requireLength('artifact_location', location, TRACKING_LIMITS.artifactUri);
  const refuse = (why: string): never => {
    throw new MlflowRefusal('INVALID_PARAMETER_VALUE', `Invalid artifact location '${location}': ${why}`);
  };
  if (location.startsWith('runs:')) refuse(`Artifact location cannot be a runs:/ URI. Given: '${location}'`);
  const [path = '', query = ''] = location.split('?');
  if (/[#;]/.test(location)) refuse('it must have no fragment (#) and no params (;).');
  if (/(?:^|[\\/])\.\.(?:[\\/]|$)/.test(decoded(query))) refuse('its query must not lead out of it.');
  if (/^[a-z][\w+.-]*:/i.test(path) && /(?:^|[\\/])\.\.(?:[\\/]|$)/.test(decoded(path)))
    refuse('it must not lead out of itself.');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
