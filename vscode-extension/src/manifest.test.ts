// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import { COMMANDS } from "./editor/command_names.js";

interface Manifest {
  readonly engines: { readonly vscode: string };
  readonly extensionKind: readonly string[];
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly capabilities: { readonly untrustedWorkspaces: { readonly supported: boolean } };
  readonly contributes: {
    readonly commands: readonly { readonly command: string }[];
    readonly menus: Readonly<Record<string, readonly { readonly command: string }[]>>;
    readonly configuration: {
      readonly properties: Readonly<Record<string, { readonly scope: string }>>;
    };
  };
}

const TEXT = readFileSync(new URL("../package.json", import.meta.url), "utf8");
const MANIFEST = JSON.parse(TEXT) as Manifest;
const STRINGS = JSON.parse(
  readFileSync(new URL("../package.nls.json", import.meta.url), "utf8"),
) as Readonly<Record<string, string>>;

describe("the manifest", () => {
  it("names the commands that are registered, and no others", () => {
    const named = MANIFEST.contributes.commands.map((item) => item.command);
    expect(named.sort()).toEqual(Object.values(COMMANDS).sort());
  });

  it("puts only its own commands into menus", () => {
    const known = new Set<string>(Object.values(COMMANDS));
    const used = Object.values(MANIFEST.contributes.menus).flat();
    expect(used.filter((item) => !known.has(item.command))).toEqual([]);
  });

  it("has each of its strings in one place, and none beside it", () => {
    const used = new Set([...TEXT.matchAll(/"%([\w.]+)%"/g)].map((match) => match[1]));
    expect([...used].sort()).toEqual(Object.keys(STRINGS).sort());
    expect(Object.values(STRINGS).filter((text) => text.trim() === "")).toEqual([]);
    expect(TEXT).not.toMatch(/"(?:title|description|contents|markdownDescription)": "(?!%)/);
  });

  it("uses no proposed interface of the editor", () => {
    expect(TEXT).not.toContain("enabledApiProposals");
  });

  it("is compiled against the oldest editor that it runs in", () => {
    expect(MANIFEST.engines.vscode).toBe(`^${MANIFEST.devDependencies["@types/vscode"] ?? ""}`);
  });

  it("runs where the files are, and only where they are trusted", () => {
    expect(MANIFEST.extensionKind).toEqual(["workspace"]);
    expect(MANIFEST.capabilities.untrustedWorkspaces.supported).toBe(false);
  });

  it("lets no workspace say which program is the server", () => {
    expect(MANIFEST.contributes.configuration.properties["bbox.serverPath"]?.scope).toBe("machine");
  });
});
