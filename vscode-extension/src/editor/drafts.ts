// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { changeByPath, type ChangeList } from "../review/change_list.js";
import { explain } from "../server/failure.js";
import type { Server } from "../server/server.js";
import type { Reviewed } from "../wire/messages.js";
import { changePath } from "./side_uri.js";

interface Draft {
  readonly change: string;
  readonly baseHash: string;
  readonly text: Uint8Array;
  readonly conflicts: number;
  readonly mtime: number;
}

/** What a draft needs of the sessions that are shown. */
export interface DraftOwner {
  readonly listOf: (session: string) => ChangeList;
  readonly edited: (session: string, reviewed: Reviewed) => void;
  readonly failed: (error: unknown) => void;
}

const TAKE = "Use It";

/**
 * Texts that a user edits: what is saved here is what a flush writes, and nothing before it.
 *
 * Where both sides have changed the same lines, the merge editor begins with neither of them, and
 * an editor that saves by itself would save that. So such a text is used once its editor is closed
 * and the user says so.
 */
export class DraftFiles implements vscode.FileSystemProvider, vscode.Disposable {
  readonly #changed = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  readonly onDidChangeFile = this.#changed.event;
  readonly #server: Server;
  readonly #owner: DraftOwner;
  readonly #drafts = new Map<string, Draft>();
  /** Saved, and not used yet. */
  readonly #merged = new Map<string, Uint8Array>();
  readonly #closing: vscode.Disposable;

  constructor(server: Server, owner: DraftOwner) {
    this.#server = server;
    this.#owner = owner;
    this.#closing = vscode.workspace.onDidCloseTextDocument(({ uri }) => {
      this.#settle(uri).catch(owner.failed);
    });
  }

  /** Begin anew with what the change is now; tells how many places are to be brought together. */
  async begin(uri: vscode.Uri): Promise<number> {
    const draft = await this.#read(uri);
    this.#changed.fire([{ type: vscode.FileChangeType.Changed, uri }]);
    return draft.conflicts;
  }

  watch(): vscode.Disposable {
    return new vscode.Disposable(() => undefined);
  }

  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    const { text, mtime } = await this.#draft(uri);
    return { type: vscode.FileType.File, ctime: 0, mtime, size: text.length };
  }

  async readFile(uri: vscode.Uri): Promise<Uint8Array> {
    return (await this.#draft(uri)).text;
  }

  async writeFile(uri: vscode.Uri, content: Uint8Array): Promise<void> {
    const draft = await this.#draft(uri);
    if (draft.conflicts > 0) {
      this.#merged.set(uri.toString(), content);
      this.#drafts.set(uri.toString(), { ...draft, text: content, mtime: Date.now() });
      return;
    }
    await this.#use(uri, draft, content);
  }

  async #settle(uri: vscode.Uri): Promise<void> {
    const text = this.#merged.get(uri.toString());
    const draft = this.#drafts.get(uri.toString());
    if (text === undefined || draft === undefined) {
      return;
    }
    this.#merged.delete(uri.toString());
    const { path } = placeOf(uri);
    const detail =
      "It takes the place of the agent's version; nothing is written before you apply.";
    const options = { modal: true, detail };
    const question = `Use the merged text of ${path}?`;
    if ((await vscode.window.showInformationMessage(question, options, TAKE)) === TAKE) {
      await this.#use(uri, draft, text);
    }
  }

  async #use(uri: vscode.Uri, draft: Draft, content: Uint8Array): Promise<void> {
    const { session } = placeOf(uri);
    const { change, baseHash } = draft;
    const data = Buffer.from(content).toString("base64");
    try {
      const edit = { session, change, baseHash, data };
      this.#owner.edited(session, await this.#server.request("bbox/review/edit", edit));
    } catch (error) {
      throw vscode.FileSystemError.Unavailable(explain(error));
    }
    await this.#read(uri);
  }

  readDirectory(): [string, vscode.FileType][] {
    return [];
  }

  createDirectory(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  delete(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  rename(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  dispose(): void {
    this.#closing.dispose();
    this.#changed.dispose();
  }

  async #draft(uri: vscode.Uri): Promise<Draft> {
    return this.#drafts.get(uri.toString()) ?? (await this.#read(uri));
  }

  async #read(uri: vscode.Uri): Promise<Draft> {
    const { session, path } = placeOf(uri);
    const change = changeByPath(this.#owner.listOf(session), path)?.id;
    if (change === undefined) {
      throw vscode.FileSystemError.FileNotFound(uri);
    }
    const message = await this.#server.request("bbox/review/draft", { session, change });
    const draft = {
      change,
      baseHash: message.baseHash,
      text: Buffer.from(message.data, "base64"),
      conflicts: message.conflicts,
      mtime: Date.now(),
    };
    this.#drafts.set(uri.toString(), draft);
    return draft;
  }
}

function placeOf(uri: vscode.Uri): { readonly session: string; readonly path: string } {
  const place = changePath(uri);
  if (place === undefined) {
    throw vscode.FileSystemError.FileNotFound(uri);
  }
  return place;
}
