// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { changeByPath, type ChangeList } from "../review/change_list.js";
import { lensesOf, type Lens } from "../review/hunk_lens.js";
import type { DecidableVerdict } from "../wire/messages.js";
import { COMMANDS } from "./command_names.js";
import { sidePath } from "./side_uri.js";

/** The arguments of the commands behind a lens. */
export interface LensTarget {
  readonly change: string;
  readonly hunk?: string;
  readonly verdict: DecidableVerdict;
}

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
  const isRejection = lens.verdict === "rejected";
  return new vscode.CodeLens(range, {
    title: lens.title,
    command: isRejection ? COMMANDS.rejectHunk : COMMANDS.acceptHunk,
    arguments: [target],
  });
}
