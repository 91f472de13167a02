// SPDX-License-Identifier: Apache-2.0
import type { FlushMessage, PlanMessage } from "../wire/messages.js";

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

/** What an accepted change's user should know before the rest is applied; mostly nothing. */
export function leftOut(plan: PlanMessage): readonly string[] {
  return [
    ...[...plan.conflicts, ...plan.skipped].map((item) => `${item.path}: ${item.reason}`),
    ...plan.hardLinked.map((path) => `${path}: its other names keep the old content`),
  ];
}

function counted(count: number, what: "change" | "branch"): string {
  const many = what === "change" ? "changes" : "branches";
  return `${count} ${count === 1 ? what : many}`;
}
