// SPDX-License-Identifier: Apache-2.0
import { realpath, stat } from "node:fs/promises";
import { delimiter, isAbsolute, join, sep } from "node:path";

const NAME = "bbox-server";

/** Where to look. A setting takes the place of all others. */
export interface Places {
  readonly setting: string;
  readonly searchPath: string;
  /** Where the extension's own copy is once it is installed, if it has any; looked at last. */
  readonly bundled: string | undefined;
  readonly workspaceRoots: readonly string[];
}

/** bbox-server could not be found; the message says what to do. */
export class ServerNotFound extends Error {}

/** There is none, but the extension's own copy can be installed. */
export class NoServer extends ServerNotFound {}

/**
 * The server's program: never one from inside a workspace, which an agent or a repository could
 * have put there.
 */
export async function locateServer(places: Places): Promise<string> {
  const roots = await Promise.all(places.workspaceRoots.map(resolved));
  const setting = places.setting.trim();
  if (setting !== "") {
    return await fromSetting(setting, roots);
  }
  const found = await findProgram(NAME, places);
  if (found !== undefined) {
    return found;
  }
  const missing = `${NAME} is not on the PATH. Install it, or name it in bbox.serverPath.`;
  if (places.bundled === undefined) {
    throw new ServerNotFound(missing);
  }
  if ((await problemOf(places.bundled, roots)) !== undefined) {
    throw new NoServer(missing);
  }
  return places.bundled;
}

/** A program on the PATH, outside of the workspace. */
export async function findProgram(name: string, places: Places): Promise<string | undefined> {
  const roots = await Promise.all(places.workspaceRoots.map(resolved));
  for (const directory of places.searchPath.split(delimiter).filter(isAbsolute)) {
    const program = join(directory, name);
    if ((await problemOf(program, roots)) === undefined) {
      return program;
    }
  }
  return undefined;
}

async function fromSetting(setting: string, roots: readonly string[]): Promise<string> {
  const problem = isAbsolute(setting) ? await problemOf(setting, roots) : "is no absolute path";
  if (problem !== undefined) {
    throw new ServerNotFound(`${setting} ${problem}. Correct the setting bbox.serverPath.`);
  }
  return setting;
}

/** Why a program can't be the server; nothing if it can. */
async function problemOf(program: string, roots: readonly string[]): Promise<string | undefined> {
  const places = [program, await resolved(program)];
  if (places.some((place) => roots.some((root) => isInside(place, root)))) {
    return "is inside the workspace, where it may come from anybody";
  }
  try {
    const found = await stat(program);
    return found.isFile() && (found.mode & 0o111) !== 0 ? undefined : "can't be executed";
  } catch {
    return "is not there";
  }
}

function isInside(path: string, root: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

async function resolved(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    return path;
  }
}
