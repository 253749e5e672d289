import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { searchPath } from './options.ts';

/** The first executable file of that name in the folders, `PATH` by default. */
export function findProgram(
  name: string,
  folders: readonly string[] = searchPath().split(delimiter),
): string | undefined {
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** Folders `<parent>/<entry>/<tail>` for every entry of the parent that matches, the highest version first. */
export function versionedFolders(parent: string, pattern: RegExp, tail: string): string[] {
  try {
    return readdirSync(parent)
      .filter((entry) => pattern.test(entry))
      .toSorted((a, b) => b.localeCompare(a, 'en', { numeric: true }))
      .map((entry) => join(parent, entry, tail));
  } catch {
    return [];
  }
}
