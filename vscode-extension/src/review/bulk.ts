// SPDX-License-Identifier: Apache-2.0
import type { ChangeMessage, DecisionMessage } from "../wire/messages.js";
import { decision, grouped, type ChangeList } from "./change_list.js";

/** What can be accepted at once, of what is undecided. */
export interface Bulk {
  readonly ordinary: readonly DecisionMessage[];
  /** Only after the user was shown `buildFiles`. */
  readonly ofBuildFiles: readonly DecisionMessage[];
  readonly buildFiles: readonly string[];
  /** Paths that are decided one by one, always: what runs on the host by itself. */
  readonly oneByOne: readonly string[];
}

/** The open decisions of a list, by what they need; hunks that are decided stay as they are. */
export function bulkOf(list: ChangeList): Bulk {
  const open = grouped(list).undecided;
  const ordinary = open.filter((change) => change.tier === "ordinary");
  const build = open.filter((change) => change.tier === "buildFile");
  const others = open.filter((change) => !ordinary.includes(change) && !build.includes(change));
  return {
    ordinary: ordinary.flatMap(openDecisions),
    ofBuildFiles: build.flatMap(openDecisions),
    buildFiles: build.map((change) => change.path),
    oneByOne: others.map((change) => change.path),
  };
}

function openDecisions(change: ChangeMessage): readonly DecisionMessage[] {
  return change.hunks.length === 0
    ? [decision(change, "accepted")]
    : change.hunks
        .filter((hunk) => hunk.verdict === "undecided")
        .map((hunk) => decision(change, "accepted", hunk));
}
