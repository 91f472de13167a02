// SPDX-License-Identifier: Apache-2.0
import type {
  ConflictReason,
  FlushMessage,
  OperationKind,
  PlanMessage,
  SkipReason,
} from "../wire/messages.js";

/** So many steps are shown one by one before they are done. */
const SHOWN = 20;

/** What is told after a flush or an undo. */
export interface FlushWords {
  readonly text: string;
  readonly isWhole: boolean;
}

/** What a flush or an undo did, in one sentence, and one more for what it could not do. */
export function wordsOf(flush: FlushMessage): FlushWords {
  const verb = flush.kind === "undo" ? "taken back" : "applied";
  const applied = flush.results.filter((result) => result.result === "applied");
  const refs = flush.refs.filter((ref) => ref.failure === undefined);
  const done = [
    ...(applied.length > 0 || refs.length === 0 ? [counted(applied.length, "change")] : []),
    ...(refs.length > 0 ? [counted(refs.length, "branch")] : []),
  ];
  const failed = [
    ...flush.results
      .filter((result) => result.result !== "applied")
      .map((result) => `${result.path} (${result.detail ?? result.result})`),
    ...flush.refs.flatMap((ref) =>
      ref.failure === undefined ? [] : [`${ref.ref} (${ref.failure})`],
    ),
  ];
  const rest = failed.length === 0 ? "" : ` Not ${verb}: ${failed.join(", ")}.`;
  return { text: `${done.join(" and ")} ${verb}.${rest}`, isWhole: failed.length === 0 };
}

/** Whether a plan has anything to do, or to say. */
export function isEmpty(plan: PlanMessage): boolean {
  return [plan.operations, plan.conflicts, plan.skipped, plan.branches].every(
    (part) => part.length === 0,
  );
}

const OPERATIONS: Readonly<Record<OperationKind, string>> = {
  mkdir: "make the folder",
  write: "write",
  symlink: "link",
  chmod: "change the mode of",
  delete: "delete",
  rmdir: "delete the folder",
};

/** What an apply will do, a line each, and how many more there are. */
export function willDo(plan: PlanMessage): readonly string[] {
  const steps = plan.operations.map(({ kind, path, merged }) => {
    const how = merged ? " (merged with your own changes)" : "";
    return `${OPERATIONS[kind]} ${path}${how}`;
  });
  const branches = plan.branches.map(
    ({ name, commitCount, ref }) => `fetch ${counted(commitCount, "commit")} of ${name} to ${ref}`,
  );
  const all = [...steps, ...branches];
  const more = all.length - SHOWN;
  return more > 0 ? [...all.slice(0, SHOWN), `and ${more} more`] : all;
}

const REASONS: Readonly<Record<ConflictReason | SkipReason, string>> = {
  changedBoth: "you have changed the same lines; edit it to bring both together",
  addedBoth: "you have made a file of that name too",
  deletedHere: "you have deleted it",
  changedHere: "you have changed it, and the agent has deleted it",
  typeDiffers: "it is something else in the workspace now",
  parentIsLink: "its folder is a link in the workspace",
  parentIsNoDirectory: "its folder is no folder in the workspace",
  notEmpty: "the folder has other files",
  unreadable: "it can't be read",
  unsaved: "it has unsaved edits; save them first",
  alreadyThere: "the workspace has it already",
  reservedName: "its name is reserved on other systems",
  linkLeavesWorkspace: "its link leads out of the workspace",
  specialFile: "it is no file, folder or link",
  decidedOnItsOwn: "it is decided on its own",
};

/** What an accepted change's user should know before the rest is applied; mostly nothing. */
export function leftOut(plan: PlanMessage): readonly string[] {
  return [
    ...[...plan.conflicts, ...plan.skipped].map((item) => `${item.path}: ${REASONS[item.reason]}`),
    ...plan.hardLinked.map((path) => `${path}: its other names keep the old content`),
  ];
}

function counted(count: number, what: "change" | "branch" | "commit"): string {
  const many = what === "branch" ? "branches" : `${what}s`;
  return `${count} ${count === 1 ? what : many}`;
}
