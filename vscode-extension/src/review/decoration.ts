// SPDX-License-Identifier: Apache-2.0
import type { ChangeMessage } from "../wire/messages.js";
import { groupOf, standingOf, summaryOf, type GroupName } from "./change_list.js";

/** A mark beside a file in the explorer. */
export interface Decoration {
  /** One character: the editor takes no more than two. */
  readonly badge: string;
  readonly tooltip: string;
  /** A colour of the editor's theme. */
  readonly color: string;
}

const BADGES: Readonly<Record<Exclude<GroupName, "rejected">, string>> = {
  needsLook: "!",
  undecided: "◇",
  accepted: "◆",
};

const COLORS: Readonly<Record<Exclude<GroupName, "rejected">, string>> = {
  needsLook: "editorWarning.foreground",
  undecided: "gitDecoration.modifiedResourceForeground",
  accepted: "gitDecoration.stageModifiedResourceForeground",
};

/** The mark of a file that an agent has changed; none where the file stays as it is. */
export function decorationOf(agent: string, change: ChangeMessage): Decoration | undefined {
  const group = groupOf(change);
  if (group === "rejected") {
    return undefined;
  }
  const words = standingOf(change) === "accepted" ? "accepted, not applied yet" : "to decide";
  return {
    badge: BADGES[group],
    tooltip: `${agent}: ${summaryOf(change)}, ${words}`,
    color: COLORS[group],
  };
}
