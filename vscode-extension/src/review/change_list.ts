// SPDX-License-Identifier: Apache-2.0
import type { ChangeMessage, DecisionMessage, HunkMessage } from "../wire/messages.js";

/** Where a change stands in Source Control. */
export type GroupName = "undecided" | "accepted" | "rejected" | "withheld";

/** A session's changes at one revision. */
export interface ChangeList {
  readonly revision: number;
  readonly changes: readonly ChangeMessage[];
}

export const NO_CHANGES: ChangeList = { revision: 0, changes: [] };

/** The group of a change: what is partly open is open, what is partly accepted is applied. */
export function groupOf(change: ChangeMessage): GroupName {
  if (change.withheld !== undefined) {
    return "withheld";
  }
  const verdicts = change.hunks.map((hunk) => hunk.verdict);
  if (change.verdict === "undecided" || verdicts.includes("undecided")) {
    return change.verdict === "edited" ? "accepted" : "undecided";
  }
  return change.verdict === "rejected" ? "rejected" : "accepted";
}

/** The changes of each group, in the order of the list. */
export function grouped(list: ChangeList): Readonly<Record<GroupName, readonly ChangeMessage[]>> {
  const groups: Record<GroupName, ChangeMessage[]> = {
    undecided: [],
    accepted: [],
    rejected: [],
    withheld: [],
  };
  for (const change of list.changes) {
    groups[groupOf(change)].push(change);
  }
  return groups;
}

/** A change by its id. */
export function changeById(list: ChangeList, id: string): ChangeMessage | undefined {
  return list.changes.find((change) => change.id === id);
}

/** A change by its path. */
export function changeByPath(list: ChangeList, path: string): ChangeMessage | undefined {
  return list.changes.find((change) => change.path === path);
}

/** How much is to be decided and to be applied; empty where it is nothing. */
export function countsOf(list: ChangeList): string {
  const { undecided, accepted } = grouped(list);
  return [
    ...(undecided.length === 0 ? [] : [`${undecided.length} to decide`]),
    ...(accepted.length === 0 ? [] : [`${accepted.length} accepted`]),
  ].join(", ");
}

/** Paths whose contents are other ones in the second list: what shows them has to read again. */
export function movedPaths(before: ChangeList, after: ChangeList): readonly string[] {
  const old = new Map(before.changes.map((change) => [change.path, contentOf(change)]));
  const now = new Map(after.changes.map((change) => [change.path, contentOf(change)]));
  const paths = new Set([...old.keys(), ...now.keys()]);
  return [...paths].filter((path) => old.get(path) !== now.get(path));
}

/** A decision on a change or on one of its hunks. */
export function decision(
  change: ChangeMessage,
  verdict: DecisionMessage["verdict"],
  hunk?: HunkMessage,
): DecisionMessage {
  return { change: change.id, verdict, ...(hunk === undefined ? {} : { hunk: hunk.id }) };
}

/** How a change is told in few words. */
export function summaryOf(change: ChangeMessage): string {
  const lines =
    change.added === undefined ? "" : ` +${change.added} −${String(change.removed ?? 0)}`;
  const open = change.hunks.filter((hunk) => hunk.verdict === "undecided").length;
  const left = open > 0 && open < change.hunks.length ? `, ${open} of its hunks open` : "";
  return `${change.kind}${lines}${left}${reasonOf(change)}`;
}

function reasonOf(change: ChangeMessage): string {
  if (change.failure !== undefined) {
    return `. It was not applied: ${change.failure}`;
  }
  if (change.withheld !== undefined) {
    return `. It stays in the microVM: ${change.withheld}`;
  }
  return change.reason === undefined ? "" : `. Look twice: ${change.reason}`;
}

function contentOf(change: ChangeMessage): string {
  return `${change.baseline?.hash ?? ""} ${change.agent?.hash ?? ""} ${change.kind}`;
}
