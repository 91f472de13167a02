// SPDX-License-Identifier: Apache-2.0
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { locateServer, NoServer, ServerNotFound, type Places } from "./locate.js";

let root = "";

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "bbox-locate-"));
});

afterEach(async () => {
  await rm(root, { recursive: true });
});

async function program(directory: string): Promise<string> {
  await mkdir(join(root, directory), { recursive: true });
  const path = join(root, directory, "bbox-server");
  await writeFile(path, "#!/bin/sh\n");
  await chmod(path, 0o755);
  return path;
}

function places(parts: Partial<Places>): [Places] {
  const workspaceRoots = [join(root, "work")];
  return [{ setting: "", searchPath: "", bundled: join(root, "none"), ...parts, workspaceRoots }];
}

describe("locateServer", () => {
  it("finds the server on the PATH, past places that are relative or inside the workspace", async () => {
    await program("work/bin");
    const expected = await program("bin");
    const searchPath = `bin:${root}/work/bin:${root}/bin`;
    expect(await locateServer(...places({ searchPath }))).toBe(expected);
  });

  it("does not follow a link into the workspace", async () => {
    const inside = await program("work/bin");
    await mkdir(join(root, "bin"));
    await symlink(inside, join(root, "bin/bbox-server"));
    await expect(locateServer(...places({ searchPath: `${root}/bin` }))).rejects.toThrow(
      ServerNotFound,
    );
  });

  it("takes the setting before the PATH", async () => {
    await program("bin");
    const setting = await program("other");
    const found = await locateServer(...places({ setting, searchPath: `${root}/bin` }));
    expect(found).toBe(setting);
  });

  it.each([
    ["work/bin", "is inside the workspace"],
    ["nowhere", "is not there"],
    ["closed", "can't be executed"],
  ])("says why it refuses a setting that names %s", async (directory, why) => {
    await program("work/bin");
    await chmod(await program("closed"), 0o644);
    const setting = join(root, directory, "bbox-server");
    await expect(locateServer(...places({ setting }))).rejects.toThrow(why);
  });

  it("refuses a relative setting", async () => {
    await expect(locateServer(...places({ setting: "bbox-server" }))).rejects.toThrow("absolute");
  });

  it("takes the extension's own copy when there is no other", async () => {
    const bundled = await program("storage");
    expect(await locateServer(...places({ searchPath: root, bundled }))).toBe(bundled);
    const installed = await program("bin");
    const searchPath = join(root, "bin");
    expect(await locateServer(...places({ searchPath, bundled }))).toBe(installed);
  });

  it("says when there is none", async () => {
    await expect(locateServer(...places({ searchPath: root }))).rejects.toThrow(NoServer);
  });
});
