// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { changeByPath, type ChangeList } from "../review/change_list.js";
import { decorationOf } from "../review/decoration.js";
import { pathsBelow } from "../review/paths.js";

/** A session's changes, as far as they are marked in the explorer. */
export interface Marked {
  readonly agent: string;
  readonly root: vscode.Uri;
  readonly list: ChangeList;
}

/** Marks beside files that an agent has changed. */
export class ChangeMarks implements vscode.FileDecorationProvider, vscode.Disposable {
  readonly #changed = new vscode.EventEmitter<vscode.Uri[]>();
  readonly onDidChangeFileDecorations = this.#changed.event;
  readonly #sessions: () => readonly Marked[];

  constructor(sessions: () => readonly Marked[]) {
    this.#sessions = sessions;
  }

  /** These files may be marked otherwise now. */
  refresh(root: vscode.Uri, before: ChangeList, after: ChangeList): void {
    const paths = [...before.changes, ...after.changes].map((change) => change.path);
    this.#changed.fire([...new Set(paths)].map((path) => vscode.Uri.joinPath(root, path)));
  }

  provideFileDecoration(uri: vscode.Uri): vscode.FileDecoration | undefined {
    for (const { agent, root, list } of this.#sessions()) {
      const [path] = uri.scheme === root.scheme ? pathsBelow(root.path, [uri.path]) : [];
      const change = path === undefined ? undefined : changeByPath(list, path);
      const mark = change && decorationOf(agent, change);
      if (mark !== undefined) {
        const color = new vscode.ThemeColor(mark.color);
        const decoration = new vscode.FileDecoration(mark.badge, mark.tooltip, color);
        decoration.propagate = true;
        return decoration;
      }
    }
    return undefined;
  }

  dispose(): void {
    this.#changed.dispose();
  }
}
