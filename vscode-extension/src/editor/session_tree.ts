// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import type { Server } from "../server/server.js";
import { rowOf } from "../session/session_row.js";
import type { SessionMessage } from "../wire/messages.js";
import { COMMANDS } from "./command_names.js";

const READ_AGAIN_MS = 5000;

/** What a row of the sessions' view stands for; menus hand it to commands. */
export interface SessionNode {
  readonly listed: SessionMessage;
}

/** All sessions of this machine, those of other windows and of terminals too. */
export class SessionTree implements vscode.TreeDataProvider<SessionNode>, vscode.Disposable {
  readonly #changed = new vscode.EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.#changed.event;
  readonly #server: Server;
  readonly #view: vscode.TreeView<SessionNode>;
  #timer: NodeJS.Timeout | undefined;

  constructor(server: Server) {
    this.#server = server;
    this.#view = vscode.window.createTreeView("bbox.sessions", { treeDataProvider: this });
    this.#view.onDidChangeVisibility(({ visible }) => {
      this.#follow(visible);
    });
  }

  refresh(): void {
    if (this.#view.visible) {
      this.#changed.fire(undefined);
    }
  }

  /** How many decisions are open in this window: on the activity bar. */
  count(undecided: number): void {
    const tooltip = `${undecided} to decide`;
    this.#view.badge = undecided === 0 ? undefined : { value: undecided, tooltip };
  }

  async getChildren(node?: SessionNode): Promise<SessionNode[]> {
    if (node !== undefined) {
      return [];
    }
    const { sessions } = await this.#server.request("bbox/sessions/list", {});
    return sessions.map((listed) => ({ listed }));
  }

  getTreeItem({ listed }: SessionNode): vscode.TreeItem {
    const row = rowOf(listed, Date.now() / 1000);
    const item = new vscode.TreeItem(row.label);
    item.id = listed.id;
    item.description = row.description;
    item.tooltip = row.tooltip;
    item.iconPath = new vscode.ThemeIcon(row.icon);
    item.contextValue = row.use;
    item.accessibilityInformation = { label: `${row.label}, ${row.description}` };
    item.command = {
      command: COMMANDS.attachSession,
      title: "Attach",
      arguments: [{ listed }],
    };
    return item;
  }

  dispose(): void {
    this.#follow(false);
    this.#view.dispose();
    this.#changed.dispose();
  }

  /** Sessions of elsewhere tell this window nothing: they are read again while they are seen. */
  #follow(isVisible: boolean): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (isVisible) {
      this.refresh();
      this.#timer = setInterval(() => {
        this.refresh();
      }, READ_AGAIN_MS);
    }
  }
}
