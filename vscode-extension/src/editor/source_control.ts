// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { grouped, type ChangeList, type GroupName, summaryOf } from "../review/change_list.js";
import type { ChangeKind, ChangeMessage } from "../wire/messages.js";
import { COMMANDS } from "./command_names.js";

const LABELS: Readonly<Record<GroupName, string>> = {
  undecided: "To Decide",
  accepted: "Accepted",
  rejected: "Rejected",
  withheld: "Stays in the microVM",
};

/** A row of Source Control. */
export interface ChangeRow extends vscode.SourceControlResourceState {
  readonly change: string;
}

/** A session's changes in Source Control. */
export class ReviewControl implements vscode.Disposable {
  readonly #control: vscode.SourceControl;
  readonly #groups: ReadonlyMap<GroupName, vscode.SourceControlResourceGroup>;
  readonly #root: vscode.Uri;

  constructor(agent: string, root: vscode.Uri) {
    this.#root = root;
    this.#control = vscode.scm.createSourceControl("bbox", `BBox: ${agent}`, root);
    this.#control.inputBox.visible = false;
    this.#groups = new Map(
      (Object.keys(LABELS) as GroupName[]).map((name) => [name, this.#group(name)]),
    );
  }

  update(list: ChangeList): void {
    const groups = grouped(list);
    for (const [name, group] of this.#groups) {
      group.resourceStates = groups[name].map((change) => this.#row(name, change));
    }
    this.#control.count = groups.undecided.length;
  }

  dispose(): void {
    this.#control.dispose();
  }

  #group(name: GroupName): vscode.SourceControlResourceGroup {
    const group = this.#control.createResourceGroup(name, LABELS[name]);
    group.hideWhenEmpty = true;
    return group;
  }

  #row(group: GroupName, change: ChangeMessage): ChangeRow {
    return {
      change: change.id,
      resourceUri: vscode.Uri.joinPath(this.#root, change.path),
      contextValue: group,
      command: { command: COMMANDS.openChange, title: "Open", arguments: [change.id] },
      decorations: {
        tooltip: summaryOf(change),
        strikeThrough: change.kind === "deleted",
        faded: group === "rejected" || group === "withheld",
        iconPath: new vscode.ThemeIcon(iconOf(change)),
      },
    };
  }
}

const ICONS: Readonly<Record<ChangeKind, string>> = {
  added: "diff-added",
  deleted: "diff-removed",
  renamed: "diff-renamed",
  modified: "diff-modified",
  mode: "diff-modified",
  typeChange: "diff-modified",
  symlink: "file-symlink-file",
  directory: "folder",
  special: "question",
  bulk: "files",
};

function iconOf(change: ChangeMessage): string {
  const isRisky = change.tier === "buildFile" || change.tier === "executesOnHost";
  return isRisky ? "warning" : ICONS[change.kind];
}
