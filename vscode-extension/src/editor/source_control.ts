// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import {
  grouped,
  standingOf,
  summaryOf,
  undecidedOf,
  type ChangeList,
  type GroupName,
} from "../review/change_list.js";
import type { SessionView } from "../session/session_view.js";
import type { ChangeKind, ChangeMessage } from "../wire/messages.js";
import { COMMANDS } from "./command_names.js";

const LABELS: Readonly<Record<GroupName, string>> = {
  needsLook: "Needs a Look",
  undecided: "Changes",
  accepted: "Accepted",
  rejected: "Rejected",
};

/** A row of Source Control. */
export interface ChangeRow extends vscode.SourceControlResourceState {
  readonly session: string;
  readonly change: string;
}

/** A session's changes in Source Control. */
export class ReviewControl implements vscode.Disposable {
  readonly #control: vscode.SourceControl;
  readonly #groups: ReadonlyMap<GroupName, vscode.SourceControlResourceGroup>;
  readonly #session: string;
  readonly #root: vscode.Uri;

  constructor(view: SessionView) {
    this.#session = view.id;
    this.#root = vscode.Uri.file(view.workspace);
    this.#control = vscode.scm.createSourceControl("bbox", `BBox: ${view.agent}`, this.#root);
    this.#control.inputBox.visible = false;
    this.#groups = new Map(
      (Object.keys(LABELS) as GroupName[]).map((name) => [name, this.#group(name)]),
    );
  }

  update(list: ChangeList): void {
    const groups = grouped(list);
    for (const [name, group] of this.#groups) {
      group.resourceStates = groups[name].map((change) => this.#row(change));
    }
    this.#control.count = undecidedOf(list).length;
  }

  /** Whether a command's argument is this, or a group of it: menus hand over what they are on. */
  owns(argument: unknown): boolean {
    return argument === this.#control || this.groupOf(argument) !== undefined;
  }

  /** The group that a command's argument is, if it is one of these. */
  groupOf(argument: unknown): GroupName | undefined {
    return [...this.#groups].find(([, group]) => group === argument)?.[0];
  }

  dispose(): void {
    this.#control.dispose();
  }

  #group(name: GroupName): vscode.SourceControlResourceGroup {
    const group = this.#control.createResourceGroup(name, LABELS[name]);
    group.hideWhenEmpty = true;
    return group;
  }

  #row(change: ChangeMessage): ChangeRow {
    const standing = standingOf(change);
    return {
      session: this.#session,
      change: change.id,
      resourceUri: vscode.Uri.joinPath(this.#root, change.path),
      contextValue: standing,
      command: {
        command: COMMANDS.openChange,
        title: "Open",
        arguments: [{ session: this.#session, change: change.id }],
      },
      decorations: {
        tooltip: summaryOf(change),
        strikeThrough: change.kind === "deleted",
        faded: standing === "rejected" || standing === "withheld",
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
  return isRisky || change.conflict === "conflicting" ? "warning" : ICONS[change.kind];
}
