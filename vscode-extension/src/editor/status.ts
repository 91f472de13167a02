// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { countsOf, type ChangeList } from "../review/change_list.js";
import { isOver, type SessionView } from "../session/session_view.js";
import { COMMANDS } from "./command_names.js";

/** The session in the status bar. */
export class SessionStatus implements vscode.Disposable {
  readonly #item = vscode.window.createStatusBarItem(
    "bbox.session",
    vscode.StatusBarAlignment.Left,
    10,
  );

  constructor() {
    this.#item.name = "BBox Session";
    this.#item.command = COMMANDS.showTerminal;
    this.#item.tooltip = "Show the agent's terminal";
  }

  show(view: SessionView, list: ChangeList): void {
    const icon = isOver(view.state) ? "vm-outline" : "vm-running";
    const counts = countsOf(list);
    const words = [`${view.agent}: ${view.state}`, ...(counts === "" ? [] : [counts])];
    this.#item.text = `$(${icon}) ${words.join(" · ")}`;
    this.#item.show();
  }

  hide(): void {
    this.#item.hide();
  }

  dispose(): void {
    this.#item.dispose();
  }
}
