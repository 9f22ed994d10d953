import type { Pool } from 'pg';
import { artifactsInFolder, cursorOf } from '../../store/artifacts.ts';

/** A file or folder as MLflow's clients read it. */
interface FileInfo {
  readonly path: string;
  readonly is_dir: boolean;
  readonly file_size?: number;
}

const PAGE = 1000;

/** All that lies directly in a folder; the API knows no pages of it. */
export async function artifactFiles(pool: Pool, ownerId: string, folder: string): Promise<FileInfo[]> {
  const files: FileInfo[] = [];
  for (let after: string | undefined; ; ) {
    const page = await artifactsInFolder(pool, ownerId, { folder, after, limit: PAGE });
    for (const entry of page) {
      files.push(
        entry.isDir
          ? { path: entry.path, is_dir: true }
          : { path: entry.path, is_dir: false, file_size: entry.sizeBytes },
      );
    }
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return files;
    after = cursorOf(last);
  }
}
