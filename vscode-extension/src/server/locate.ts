// SPDX-License-Identifier: Apache-2.0
import { access, constants, realpath } from "node:fs/promises";
import { delimiter, isAbsolute, join, sep } from "node:path";

const NAME = "bbox-server";

/** Where to look. A setting takes the place of the search path. */
export interface Places {
  readonly setting: string;
  readonly searchPath: string;
  readonly workspaceRoots: readonly string[];
}

/** bbox-server could not be found; the message says what to do. */
export class ServerNotFound extends Error {}

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
  for (const directory of places.searchPath.split(delimiter).filter(isAbsolute)) {
    const program = join(directory, NAME);
    if (await isUsable(program, roots)) {
      return program;
    }
  }
  throw new ServerNotFound(
    `${NAME} is not on the PATH. Install it, or name it in the setting bbox.serverPath.`,
  );
}

async function fromSetting(setting: string, roots: readonly string[]): Promise<string> {
  if (!isAbsolute(setting)) {
    throw new ServerNotFound("The setting bbox.serverPath has to be an absolute path.");
  }
  if (!(await isUsable(setting, roots))) {
    throw new ServerNotFound(
      `${setting} can't be executed, or is inside the workspace. Correct bbox.serverPath.`,
    );
  }
  return setting;
}

async function isUsable(program: string, roots: readonly string[]): Promise<boolean> {
  try {
    await access(program, constants.X_OK);
  } catch {
    return false;
  }
  const places = [program, await resolved(program)];
  return !places.some((place) => roots.some((root) => isInside(place, root)));
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
