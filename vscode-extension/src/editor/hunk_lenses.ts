// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { changeByPath, type ChangeList } from "../review/change_list.js";
import { lensesOf, type Lens, type LensAct } from "../review/hunk_lens.js";
import type { LensTarget } from "../review/lens_target.js";
import { COMMANDS } from "./command_names.js";
import { sidePath } from "./side_uri.js";

/** Accept, Reject and Edit above each hunk, on the agent's side of a diff. */
export class HunkLenses implements vscode.CodeLensProvider, vscode.Disposable {
  readonly #changed = new vscode.EventEmitter<void>();
  readonly onDidChangeCodeLenses = this.#changed.event;
  readonly #listOf: (session: string) => ChangeList;
  readonly #commands = new Map<string, vscode.Disposable>();

  constructor(listOf: (session: string) => ChangeList) {
    this.#listOf = listOf;
  }

  refresh(): void {
    this.#changed.fire();
  }

  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    const place = sidePath(document.uri);
    if (place?.side !== "agent") {
      return [];
    }
    const change = changeByPath(this.#listOf(place.session), place.path);
    return change === undefined
      ? []
      : lensesOf(change, document.lineCount).map((lens) =>
          this.#codeLens({ session: place.session, change: change.id }, lens),
        );
  }

  dispose(): void {
    this.#changed.dispose();
    for (const command of this.#commands.values()) {
      command.dispose();
    }
  }

  #codeLens(place: Pick<LensTarget, "session" | "change">, lens: Lens): vscode.CodeLens {
    const range = new vscode.Range(lens.line, 0, lens.line, 0);
    if (lens.act === undefined) {
      return new vscode.CodeLens(range, { title: lens.title, command: "" });
    }
    const target: LensTarget = {
      ...place,
      act: lens.act,
      ...(lens.hunk === undefined ? {} : { hunk: lens.hunk.id }),
    };
    return new vscode.CodeLens(range, { title: lens.title, command: this.#command(target) });
  }

  /**
   * A command of this lens alone. The editor forgets the arguments of a lens's command when lenses
   * are provided again, and shows the old ones of lines that are scrolled to: a click on such a
   * lens would fail. What has no arguments works as long as it is registered.
   */
  #command(target: LensTarget): string {
    const name = ["_bbox.lens", target.session, target.change, target.hunk, target.act].join(":");
    if (!this.#commands.has(name)) {
      const act = (): Thenable<unknown> =>
        vscode.commands.executeCommand(COMMAND_OF[target.act], target);
      this.#commands.set(name, vscode.commands.registerCommand(name, act));
    }
    return name;
  }
}

const COMMAND_OF: Readonly<Record<LensAct, string>> = {
  accepted: COMMANDS.acceptHunk,
  rejected: COMMANDS.rejectHunk,
  undecided: COMMANDS.takeBackHunk,
  edit: COMMANDS.editChange,
};
