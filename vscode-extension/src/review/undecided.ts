// SPDX-License-Identifier: Apache-2.0
import type { ChangeMessage, HunkMessage } from "../wire/messages.js";
import { standingOf, undecidedOf, type ChangeList } from "./change_list.js";
import { lineOf } from "./hunk_lens.js";

/** Where the cursor is: a line (from 0) of a changed file. */
export interface Cursor {
  readonly path: string;
  readonly line: number;
}

/** Something to decide: a hunk, or a change as a whole. */
export interface Spot {
  readonly change: ChangeMessage;
  readonly hunk?: HunkMessage;
  /** On the agent's side, from 0. */
  readonly line: number;
}

export type Direction = "next" | "previous";

/** The undecided place after or before the cursor; beyond the last one comes the first. */
export function undecidedFrom(
  list: ChangeList,
  cursor: Cursor | undefined,
  direction: Direction,
): Spot | undefined {
  const spots = undecidedOf(list).flatMap(spotsOf);
  const sorted = direction === "next" ? spots : spots.toReversed();
  const order = new Map(list.changes.map((change, at) => [change.path, at]));
  const here = cursor === undefined ? undefined : order.get(cursor.path);
  if (cursor === undefined || here === undefined) {
    return sorted[0];
  }
  const isBeyond = (spot: Spot): boolean => {
    const files = (order.get(spot.change.path) ?? 0) - here;
    const distance = files === 0 ? spot.line - cursor.line : files;
    return direction === "next" ? distance > 0 : distance < 0;
  };
  return sorted.find(isBeyond) ?? sorted[0];
}

/** What a key decides at a line: the hunk that is there or above it, or the file if it has none. */
export function spotAt(change: ChangeMessage, line: number): Spot {
  const spots = change.hunks.map((hunk) => spotOf(change, hunk));
  const above = spots.filter((spot) => spot.line <= line);
  return above.at(-1) ?? spots[0] ?? { change, line: 0 };
}

function spotsOf(change: ChangeMessage): readonly Spot[] {
  const open = change.hunks.filter((hunk) => hunk.verdict === "undecided");
  return open.length === 0 && standingOf(change) === "undecided"
    ? [{ change, line: 0 }]
    : open.map((hunk) => spotOf(change, hunk));
}

function spotOf(change: ChangeMessage, hunk: HunkMessage): Spot {
  return { change, hunk, line: lineOf(hunk, Number.MAX_SAFE_INTEGER) };
}
