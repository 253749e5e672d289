/** The folder of recorded histories. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('../../workflows/histories', import.meta.url));
const ENDING = '.json';

export type StoredHistory = {
  /** `<workflow>/<path>`. */
  readonly name: string;
  readonly text: string;
};

export async function storedHistories(): Promise<StoredHistory[]> {
  const files = await readdir(FOLDER, { recursive: true });
  const names = files.filter((file) => file.endsWith(ENDING)).map((file) => file.slice(0, -ENDING.length));
  return await Promise.all(
    names.toSorted().map(async (name) => ({ name, text: await readFile(fileOf(name), 'utf8') })),
  );
}

export async function storeHistory({ name, text }: StoredHistory): Promise<void> {
  const file = fileOf(name);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}

function fileOf(name: string): string {
  return join(FOLDER, `${name}${ENDING}`);
}
