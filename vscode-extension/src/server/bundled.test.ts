// SPDX-License-Identifier: Apache-2.0
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { bundledProgram, installBundled, type Bundle } from "./bundled.js";
import type { Places } from "./locate.js";

let root = "";
let bundle: Bundle = { directory: "", storage: "" };
let places: Places = { setting: "", searchPath: "", bundled: "", workspaceRoots: [] };

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "bbox-bundled-"));
  bundle = { directory: join(root, "bundled"), storage: join(root, "storage") };
  places = { ...places, searchPath: join(root, "bin") };
  await mkdir(bundle.directory);
  await writeFile(join(bundle.directory, "bbox_server-0.1.0-py3-none-any.whl"), "");
});

afterEach(async () => {
  await rm(root, { recursive: true });
});

/** A python3 whose environments have a python that runs the body. */
async function python(body: string): Promise<void> {
  const path = join(root, "bin/python3");
  await mkdir(join(root, "bin"));
  await writeFile(
    path,
    `#!/bin/sh
    mkdir -p "$4/bin"
    printf '%s\\n' '#!/bin/sh' '${body}' >"$4/bin/python"
    chmod +x "$4/bin/python"`,
  );
  await chmod(path, 0o755);
}

describe("installBundled", () => {
  it("installs the wheel in pinned versions into an environment of its own", async () => {
    await python(`echo "$@" >"\${0%/*}/bbox-server"`);
    await installBundled(bundle, places);
    const words = await readFile((await bundledProgram(bundle)) ?? "", "utf8");
    expect(words).toContain(`--constraint ${bundle.directory}/constraints.txt`);
    expect(words).toContain(`${bundle.directory}/bbox_server-0.1.0-py3-none-any.whl`);
  });

  it("says what pip said last", async () => {
    await python("echo Looking; echo no route to the index >&2; exit 1");
    await expect(installBundled(bundle, places)).rejects.toThrow("no route to the index");
  });

  it("says when there is no Python", async () => {
    await expect(installBundled(bundle, places)).rejects.toThrow("python3 is not on the PATH");
  });

  it("says when there is nothing to install", async () => {
    const empty = { ...bundle, directory: join(root, "none") };
    expect(await bundledProgram(empty)).toBeUndefined();
    await expect(installBundled(empty, places)).rejects.toThrow("has no server of its own");
  });
});
