// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import type { SessionMessage } from "../wire/messages.js";
import { changePath } from "./side_uri.js";

/** A change that a command is about. */
export interface ChangeTarget {
  readonly session: string;
  readonly change: string;
}

/** The changes among a command's arguments: rows that are selected, or a folder's. */
export function rowsOf(argument: readonly unknown[]): readonly ChangeTarget[] {
  return argument.filter(isChangeTarget);
}

/** The session that an argument names: a row's, a lens's, a diff's, an entry's of the view. */
export function sessionIdOf(argument: unknown): string | undefined {
  if (argument instanceof vscode.Uri) {
    return changePath(argument)?.session;
  }
  const listed = listedOf(argument);
  if (listed !== undefined) {
    return listed.id;
  }
  const session = fieldOf(argument, "session");
  return typeof session === "string" ? session : undefined;
}

/** The session of an entry of the sessions' view. */
export function listedOf(argument: unknown): SessionMessage | undefined {
  const listed = fieldOf(argument, "listed");
  return typeof fieldOf(listed, "id") === "string" ? (listed as SessionMessage) : undefined;
}

/** The diff or draft that a command is about: its argument, or what has the focus. */
export function shownUri(argument: unknown): vscode.Uri | undefined {
  return argument instanceof vscode.Uri ? argument : vscode.window.activeTextEditor?.document.uri;
}

function isChangeTarget(value: unknown): value is ChangeTarget {
  return (
    typeof fieldOf(value, "session") === "string" && typeof fieldOf(value, "change") === "string"
  );
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}
