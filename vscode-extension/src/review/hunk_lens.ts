// SPDX-License-Identifier: Apache-2.0
import type { ChangeMessage, DecidableVerdict, HunkMessage } from "../wire/messages.js";
import { isConflicting } from "./change_list.js";

/** What a click on a lens does: set a verdict, or open the text to be edited. */
export type LensAct = DecidableVerdict | "edit";

/** A line of words above a hunk, on the agent's side of a diff. */
export interface Lens {
  /** Counted from 0, and within the file. */
  readonly line: number;
  /** With the editor's icons, as `$(check)`. */
  readonly title: string;
  /** Of the change as a whole if undefined. */
  readonly hunk?: HunkMessage;
  /** Words only if undefined. */
  readonly act?: LensAct;
}

/** The lenses of a change on its agent's side, which has so many lines. */
export function lensesOf(change: ChangeMessage, lineCount: number): readonly Lens[] {
  if (change.withheld !== undefined) {
    return [{ line: 0, title: `Withheld: ${change.withheld}` }];
  }
  // What the user has edited is one text: its hunks are no parts of it any more.
  if (change.hunks.length === 0 || change.verdict === "edited") {
    return [...conflict(change), ...choices(change, { line: 0 }, change.verdict)];
  }
  const ofHunks = change.hunks.flatMap((hunk) => {
    const line = lineOf(hunk, lineCount);
    return [...choices(change, { line, hunk }, hunk.verdict), ...extent(line, hunk)];
  });
  return [...conflict(change), ...ofHunks];
}

/** Whether a change's text can be edited: the agent left a file, of a text that is understood. */
export function isEditable(change: ChangeMessage): boolean {
  const isFile = change.withheld === undefined && change.agent?.kind === "file";
  return isFile && !change.notes.includes("notUtf8");
}

/** The first thing to know about a change that can't be merged by itself. */
function conflict(change: ChangeMessage): readonly Lens[] {
  if (!isConflicting(change) || change.verdict === "rejected") {
    return [];
  }
  const title = "$(warning)\u00a0You have changed the same lines";
  return isEditable(change)
    ? [{ line: 0, title: `${title}: bring both together`, act: "edit" }]
    : [{ line: 0, title }];
}

/** The line that a hunk begins at; for one that only deletes, the line that follows it now. */
export function lineOf(hunk: HunkMessage, lineCount: number): number {
  const line = hunk.newLines === 0 ? hunk.newStart : firstChangedLine(hunk);
  return Math.max(0, Math.min(line, lineCount - 1));
}

/** The hunk's first line that differs: the diff may begin with lines that are there for context. */
function firstChangedLine(hunk: HunkMessage): number {
  const context = linesOf(hunk).findIndex((line) => !line.startsWith(" "));
  return hunk.newStart - 1 + Math.max(context, 0);
}

/** How far a hunk goes whose changes are not all next to one another. */
function extent(line: number, hunk: HunkMessage): readonly Lens[] {
  const signs = linesOf(hunk).map((text) => text.charAt(0));
  const isChanged = (sign: string | undefined): boolean => sign === "+" || sign === "-";
  const blocks = signs.filter((sign, at) => isChanged(sign) && !isChanged(signs[at - 1])).length;
  if (blocks < 2) {
    return [];
  }
  const after = signs.length - 1 - signs.findLastIndex(isChanged);
  const last = hunk.newStart + hunk.newLines - 1 - after;
  return [{ line, title: `${blocks} places, to line ${last}` }];
}

function linesOf(hunk: HunkMessage): readonly string[] {
  return hunk.diff.split("\n").filter((line) => line !== "" && !/^(?:@@|\\)/.test(line));
}

function choices(
  change: ChangeMessage,
  place: Pick<Lens, "line" | "hunk">,
  verdict: ChangeMessage["verdict"],
): readonly Lens[] {
  const what = place.hunk === undefined ? " file" : "";
  const editing: Lens = { ...place, title: "$(edit)\u00a0Edit", act: "edit" };
  const edit = isEditable(change) ? [editing] : [];
  const takeBack: Lens = { ...place, title: "$(discard)\u00a0Take back", act: "undecided" };
  switch (verdict) {
    case "undecided":
    case "mixed":
      return [
        { ...place, title: `$(check)\u00a0Accept${what}`, act: "accepted" },
        { ...place, title: `$(close)\u00a0Reject${what}`, act: "rejected" },
        ...edit,
      ];
    case "accepted":
      return [{ ...place, title: "$(pass-filled)\u00a0Accepted" }, takeBack, ...edit];
    case "rejected":
      return [{ ...place, title: "$(circle-slash)\u00a0Rejected" }, takeBack];
    case "edited":
      return [{ ...place, title: "$(edit)\u00a0Edited" }, ...edit, takeBack];
  }
}
