// SPDX-License-Identifier: Apache-2.0
import type { ChangeMessage, DecisionMessage, HunkMessage, Note } from "../wire/messages.js";

/** What is decided about a change. */
export type Standing = "undecided" | "accepted" | "rejected" | "withheld";

/** Where a change is in Source Control. */
export type GroupName = "needsLook" | "undecided" | "accepted" | "rejected";

/** A session's changes at one revision. */
export interface ChangeList {
  readonly revision: number;
  readonly changes: readonly ChangeMessage[];
}

export const NO_CHANGES: ChangeList = { revision: 0, changes: [] };

/** Where a change stands: what is partly open is open, what is partly accepted is applied. */
export function standingOf(change: ChangeMessage): Standing {
  if (change.withheld !== undefined) {
    return "withheld";
  }
  const verdicts = change.hunks.map((hunk) => hunk.verdict);
  if (change.verdict === "undecided" || verdicts.includes("undecided")) {
    return change.verdict === "edited" ? "accepted" : "undecided";
  }
  return change.verdict === "rejected" ? "rejected" : "accepted";
}

/** The group of a change: a look is needed where a mistake does more than a wrong line. */
export function groupOf(change: ChangeMessage): GroupName {
  const standing = standingOf(change);
  switch (standing) {
    case "withheld":
      return "needsLook";
    case "rejected":
      return "rejected";
    case "accepted":
      return isConflicting(change) ? "needsLook" : "accepted";
    case "undecided":
      return isDecidedAlone(change) || change.failure !== undefined ? "needsLook" : "undecided";
  }
}

/** Whether it is decided on its own, always: it runs on this machine, or meets the user's edits. */
export function isDecidedAlone(change: ChangeMessage): boolean {
  const isHarmless = change.tier === "ordinary" || change.tier === "buildFile";
  return !isHarmless || isConflicting(change);
}

/** Whether the user has changed the same lines. */
export function isConflicting(change: ChangeMessage): boolean {
  return change.conflict === "conflicting";
}

/** What is undecided, in the order of the list. */
export function undecidedOf(list: ChangeList): readonly ChangeMessage[] {
  return list.changes.filter((change) => standingOf(change) === "undecided");
}

/** The changes of each group, in the order of the list. */
export function grouped(list: ChangeList): Readonly<Record<GroupName, readonly ChangeMessage[]>> {
  const groups: Record<GroupName, ChangeMessage[]> = {
    needsLook: [],
    undecided: [],
    accepted: [],
    rejected: [],
  };
  for (const change of list.changes) {
    groups[groupOf(change)].push(change);
  }
  return groups;
}

/** The list after an answer that tells which verdicts are other ones now. */
export function withReviewed(list: ChangeList, reviewed: ChangeList): ChangeList {
  const other = new Map(reviewed.changes.map((change) => [change.id, change]));
  const changes = list.changes.map((change) => other.get(change.id) ?? change);
  return { revision: reviewed.revision, changes };
}

/** Whether there is nothing to show again. */
export function isSameList(one: ChangeList, other: ChangeList): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
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
  const undecided = undecidedOf(list).length;
  const accepted = list.changes.filter((change) => standingOf(change) === "accepted").length;
  return [
    ...(undecided === 0 ? [] : [`${undecided} to decide`]),
    ...(accepted === 0 ? [] : [`${accepted} accepted`]),
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
  return `${change.kind}${lines}${left}${reasonOf(change)}${notesOf(change)}`;
}

function reasonOf(change: ChangeMessage): string {
  if (change.failure !== undefined) {
    return `. It was not applied: ${change.failure}`;
  }
  if (change.withheld !== undefined) {
    return `. It stays in the microVM: ${change.withheld}`;
  }
  if (isConflicting(change)) {
    return ". You have changed the same lines: edit it to bring both together";
  }
  return change.reason === undefined ? "" : `. Look twice: ${change.reason}`;
}

const NOTES: Readonly<Record<Note, string>> = {
  becomesExecutable: "becomes executable",
  lineEndings: "other line endings",
  byteOrderMark: "another byte order mark",
  finalNewline: "another end of the last line",
  notUtf8: "not UTF-8",
};

function notesOf(change: ChangeMessage): string {
  const mode = modeOf(change);
  const notes = [...change.notes.map((note) => NOTES[note]), ...(mode === "" ? [] : [mode])];
  return notes.length === 0 ? "" : ` (${notes.join(", ")})`;
}

/** `mode 644 → 755`, where it changes. */
function modeOf(change: ChangeMessage): string {
  const before = change.baseline?.mode;
  const after = change.agent?.mode;
  const isOther = before !== undefined && after !== undefined && before !== after;
  return isOther ? `mode ${octal(before)} → ${octal(after)}` : "";
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8);
}

function contentOf(change: ChangeMessage): string {
  return `${change.baseline?.hash ?? ""} ${change.agent?.hash ?? ""} ${change.kind}`;
}
