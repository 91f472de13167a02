// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { undecidedFrom, type Direction } from "../review/undecided.js";
import type { ChangeMessage } from "../wire/messages.js";
import type { DraftFiles } from "./drafts.js";
import type { Session } from "./session.js";
import { draftUri, sidePath, sideUri } from "./side_uri.js";

/** Where the user sees changes: diffs, all of them at once, and a text to edit. */
export class ReviewViews {
  readonly #drafts: DraftFiles;

  constructor(drafts: DraftFiles) {
    this.#drafts = drafts;
  }

  /** The diff of a change, at a line of the agent's side. */
  async open(session: Session, change: ChangeMessage, line?: number): Promise<void> {
    const { left, right } = sides(session, change);
    const title = `${nameOf(change)} (snapshot ↔ ${session.view.agent})`;
    const at = line === undefined ? undefined : new vscode.Range(line, 0, line, 0);
    const options = at === undefined ? {} : { selection: at };
    await vscode.commands.executeCommand("vscode.diff", left, right, title, options);
  }

  async openAll(session: Session): Promise<void> {
    const resources = session.list.changes
      .filter((change) => change.withheld === undefined)
      .map((change) => {
        const { left, right } = sides(session, change);
        return [vscode.Uri.joinPath(session.root, change.path), left, right];
      });
    const title = `${session.view.agent}'s changes`;
    await vscode.commands.executeCommand("vscode.changes", title, resources);
  }

  /** Go to the next place that is to be decided, in this file or another. */
  async move(session: Session, direction: Direction): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const place = editor && sidePath(editor.document.uri);
    const isHere = place?.session === session.view.id;
    const cursor =
      isHere && editor !== undefined
        ? { path: place.path, line: editor.selection.active.line }
        : undefined;
    const spot = undecidedFrom(session.list, cursor, direction);
    if (spot === undefined) {
      vscode.window.setStatusBarMessage("BBox: all is decided.", 5000);
      return;
    }
    await this.open(session, spot.change, spot.line);
  }

  /**
   * The text that will be written, to be edited beside what is in the workspace now. Where both
   * sides have changed the same lines, in the merge editor if there is one.
   */
  async edit(session: Session, change: ChangeMessage, line: number): Promise<void> {
    const result = draftUri(session.view.id, change.path);
    const conflicts = await this.#drafts.begin(result);
    const own = vscode.Uri.joinPath(session.root, change.path);
    if (conflicts > 0 && (await isMerging(session, change, own, result))) {
      return;
    }
    const left = change.kind === "added" ? sides(session, change).left : own;
    const title = `${nameOf(change)} (yours ↔ to be applied)`;
    const options = { selection: new vscode.Range(line, 0, line, 0), preview: false };
    await vscode.commands.executeCommand("vscode.diff", left, result, title, options);
    vscode.window.setStatusBarMessage("BBox: what you save on the right is what is applied.", 8000);
  }
}

/** Whether the merge editor has opened; editors that have none show the marks in the text. */
async function isMerging(
  session: Session,
  change: ChangeMessage,
  own: vscode.Uri,
  result: vscode.Uri,
): Promise<boolean> {
  const { left, right } = sides(session, change);
  const argument = {
    base: left,
    input1: { uri: own, title: "Yours", description: "the workspace" },
    input2: { uri: right, title: session.view.agent, description: "the microVM" },
    output: result,
  };
  try {
    await vscode.commands.executeCommand("_open.mergeEditor", argument);
    return true;
  } catch {
    return false;
  }
}

function sides(session: Session, change: ChangeMessage): { left: vscode.Uri; right: vscode.Uri } {
  const place = { session: session.view.id, path: change.path };
  return {
    left: sideUri({ ...place, side: "baseline", path: change.oldPath ?? change.path }),
    right: sideUri({ ...place, side: "agent" }),
  };
}

function nameOf(change: ChangeMessage): string {
  return change.path.split("/").at(-1) ?? change.path;
}
