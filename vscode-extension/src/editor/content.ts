// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { changeByPath, movedPaths, type ChangeList } from "../review/change_list.js";
import { explain } from "../server/failure.js";
import type { Server } from "../server/server.js";
import type { ChangeMessage, FileContent, Side, SideMessage } from "../wire/messages.js";
import { sidePath, sideUri, type SidePath } from "./side_uri.js";

/** Contents of changed files, read only, straight from the session. */
export class SideContent implements vscode.FileSystemProvider, vscode.Disposable {
  readonly #changed = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  readonly onDidChangeFile = this.#changed.event;
  readonly #server: Server;
  readonly #listOf: (session: string) => ChangeList;
  // The editor reads again only what has a newer time.
  readonly #times = new Map<string, number>();
  #clock = Date.now();

  constructor(server: Server, listOf: (session: string) => ChangeList) {
    this.#server = server;
    this.#listOf = listOf;
  }

  /** Tell the editor which contents are other ones now. */
  announce(session: string, before: ChangeList, after: ChangeList): void {
    const uris = movedPaths(before, after).flatMap((path) =>
      (["baseline", "agent"] as const).map((side) => sideUri({ session, side, path })),
    );
    this.#clock += 1;
    for (const uri of uris) {
      this.#times.set(uri.toString(), this.#clock);
    }
    this.#changed.fire(uris.map((uri) => ({ type: vscode.FileChangeType.Changed, uri })));
  }

  watch(): vscode.Disposable {
    return new vscode.Disposable(() => undefined);
  }

  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    const size = this.#listedSize(sidePath(uri)) ?? bytesOf(await this.#read(uri)).length;
    const mtime = this.#times.get(uri.toString()) ?? 1;
    const permissions = vscode.FilePermission.Readonly;
    return { type: vscode.FileType.File, ctime: 0, mtime, size, permissions };
  }

  async readFile(uri: vscode.Uri): Promise<Uint8Array> {
    const content = await this.#read(uri);
    if (content.tooLarge) {
      throw vscode.FileSystemError.Unavailable(
        `${content.path} has ${content.size} bytes: too large to be shown here.`,
      );
    }
    return bytesOf(content);
  }

  readDirectory(): [string, vscode.FileType][] {
    return [];
  }

  createDirectory(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  writeFile(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  delete(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  rename(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  dispose(): void {
    this.#changed.dispose();
  }

  /** What the list has need not be read to be measured. */
  #listedSize(place: SidePath | undefined): number | undefined {
    const change = place && changeByPath(this.#listOf(place.session), place.path);
    const entry = change && entryOf(change, place.side);
    return entry?.kind === "file" ? entry.size : undefined;
  }

  async #read(uri: vscode.Uri): Promise<FileContent> {
    const place = sidePath(uri);
    if (place === undefined) {
      throw vscode.FileSystemError.FileNotFound(uri);
    }
    try {
      return await this.#server.request("bbox/file/read", place);
    } catch (error) {
      throw vscode.FileSystemError.FileNotFound(explain(error));
    }
  }
}

function entryOf(change: ChangeMessage, side: Side): SideMessage | undefined {
  switch (side) {
    case "baseline":
      return change.baseline;
    case "agent":
      return change.agent;
    case "result":
    case "workspace":
      return undefined;
  }
}

/** A file's bytes; where a link leads to, as one line. */
function bytesOf(content: FileContent): Uint8Array {
  const target = linkTargetOf(content.entry);
  return target === undefined ? Buffer.from(content.data, "base64") : Buffer.from(`${target}\n`);
}

function linkTargetOf(entry: SideMessage | undefined): string | undefined {
  return entry?.kind === "symlink" ? entry.linkTarget : undefined;
}
