// SPDX-License-Identifier: Apache-2.0
import { execFile } from "node:child_process";
import { readdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { findProgram, ServerNotFound, type Places } from "./locate.js";

const run = promisify(execFile);
const OLDEST = "3.11";
const INSTALL_MS = 10 * 60 * 1000;

/** The server that comes with the extension, as a wheel, and where it is installed. */
export interface Bundle {
  readonly directory: string;
  readonly storage: string;
}

/** Where the bundled server is, once it is installed: one place a version of it. */
export async function bundledProgram(bundle: Bundle): Promise<string | undefined> {
  const wheel = await wheelOf(bundle);
  return wheel && join(bundle.storage, wheel, "bin/bbox-server");
}

/**
 * Install the bundled server into a virtual environment of its own.
 *
 * @throws ServerNotFound if there is no Python that can, or pip could not get what it needs.
 */
export async function installBundled(bundle: Bundle, places: Places): Promise<void> {
  const wheel = await wheelOf(bundle);
  if (wheel === undefined) {
    throw new ServerNotFound("This build of the extension has no server of its own.");
  }
  const home = join(bundle.storage, wheel);
  const python = await findProgram("python3", places);
  const needed = `Python ${OLDEST} or newer with venv is needed, and pip has to reach its index.`;
  if (python === undefined) {
    throw new ServerNotFound(`python3 is not on the PATH. ${needed}`);
  }
  const pip = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"];
  const pins = ["--constraint", join(bundle.directory, "constraints.txt")];
  // In the home directory: a workspace may have modules of its own.
  const options = { cwd: homedir(), timeout: INSTALL_MS };
  try {
    await run(python, ["-m", "venv", "--clear", home], options);
    const own = join(home, "bin/python");
    await run(own, [...pip, ...pins, join(bundle.directory, wheel)], options);
  } catch (error) {
    throw new ServerNotFound(`bbox-server could not be installed. ${needed} ${lastWords(error)}`);
  }
}

async function wheelOf(bundle: Bundle): Promise<string | undefined> {
  try {
    return (await readdir(bundle.directory)).find((file) => file.endsWith(".whl"));
  } catch {
    return undefined;
  }
}

function lastWords(error: unknown): string {
  const hasWords = typeof error === "object" && error !== null && "stderr" in error;
  const words = hasWords ? String(error.stderr).trim() : String(error);
  return words.split("\n").at(-1) ?? words;
}
