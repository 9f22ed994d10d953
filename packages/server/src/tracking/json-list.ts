/** The list that a tag holds as JSON; an empty one where it holds anything else: whoever likes may set tags. */
export function readJsonList(text: string | undefined): unknown[] {
  if (text === undefined) return [];
  try {
    const read: unknown = JSON.parse(text);
    return Array.isArray(read) ? read : [];
  } catch {
    return [];
  }
}
