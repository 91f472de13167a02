// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { changeByPath, type ChangeList } from "../review/change_list.js";
import { lensesOf, type Lens } from "../review/hunk_lens.js";
import type { LensTarget } from "../review/lens_target.js";
import type { DecidableVerdict } from "../wire/messages.js";
import { COMMANDS } from "./command_names.js";
import { sidePath } from "./side_uri.js";

/** Accept and Reject above each hunk, on the agent's side of a diff. */
export class HunkLenses implements vscode.CodeLensProvider, vscode.Disposable {
  readonly #changed = new vscode.EventEmitter<void>();
  readonly onDidChangeCodeLenses = this.#changed.event;
  readonly #listOf: (session: string) => ChangeList;

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
      : lensesOf(change, document.lineCount).map((lens) => codeLens(change.id, lens));
  }

  dispose(): void {
    this.#changed.dispose();
  }
}

const COMMAND_OF: Readonly<Record<DecidableVerdict, string>> = {
  accepted: COMMANDS.acceptHunk,
  rejected: COMMANDS.rejectHunk,
  undecided: COMMANDS.takeBackHunk,
};

function codeLens(change: string, lens: Lens): vscode.CodeLens {
  const range = new vscode.Range(lens.line, 0, lens.line, 0);
  if (lens.verdict === undefined) {
    return new vscode.CodeLens(range, { title: lens.title, command: "" });
  }
  const target: LensTarget = {
    change,
    verdict: lens.verdict,
    ...(lens.hunk === undefined ? {} : { hunk: lens.hunk.id }),
  };
  return new vscode.CodeLens(range, {
    title: lens.title,
    command: COMMAND_OF[lens.verdict],
    arguments: [target],
  });
}
