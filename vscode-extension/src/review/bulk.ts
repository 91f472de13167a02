// SPDX-License-Identifier: Apache-2.0
import type { ChangeMessage, DecisionMessage } from "../wire/messages.js";
import { decision, isDecidedAlone, standingOf, type ChangeList } from "./change_list.js";

/** What can be accepted at once, of what is undecided. */
export interface Bulk {
  readonly ordinary: readonly DecisionMessage[];
  /** Only after the user was shown `buildFiles`. */
  readonly ofBuildFiles: readonly DecisionMessage[];
  readonly buildFiles: readonly string[];
  /** Paths that are decided one by one, always: what runs on the host by itself, and conflicts. */
  readonly oneByOne: readonly string[];
}

/** The open decisions of changes, by what they need; hunks that are decided stay as they are. */
export function bulkOf(changes: ChangeList["changes"]): Bulk {
  const open = changes.filter((change) => standingOf(change) === "undecided");
  const alone = open.filter(isDecidedAlone);
  const build = open.filter((change) => change.tier === "buildFile" && !alone.includes(change));
  const ordinary = open.filter((change) => !alone.includes(change) && !build.includes(change));
  return {
    ordinary: ordinary.flatMap(openDecisions),
    ofBuildFiles: build.flatMap(openDecisions),
    buildFiles: build.map((change) => change.path),
    oneByOne: alone.map((change) => change.path),
  };
}

/** Rejecting is safe for whatever there is; what is withheld is not decided on. */
export function rejectionsOf(changes: ChangeList["changes"]): readonly DecisionMessage[] {
  return changes
    .filter((change) => standingOf(change) === "undecided" || standingOf(change) === "accepted")
    .map((change) => decision(change, "rejected"));
}

function openDecisions(change: ChangeMessage): readonly DecisionMessage[] {
  return change.hunks.length === 0
    ? [decision(change, "accepted")]
    : change.hunks
        .filter((hunk) => hunk.verdict === "undecided")
        .map((hunk) => decision(change, "accepted", hunk));
}
