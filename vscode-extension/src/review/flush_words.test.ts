// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import type { FlushMessage, PlanMessage, RefMessage, ResultMessage } from "../wire/messages.js";
import { isEmpty, leftOut, willDo, wordsOf } from "./flush_words.js";

const APPLIED: ResultMessage = { change: "c1", path: "a", kind: "write", result: "applied" };
const FAILED: ResultMessage = { ...APPLIED, path: "b", result: "changedMeanwhile" };
const REF: RefMessage = { repository: "", ref: "refs/bbox/s1/main" };
const PLAN: PlanMessage = {
  session: "s1",
  planHash: "p",
  operations: [],
  conflicts: [],
  skipped: [],
  hardLinked: [],
  branches: [],
};

function flush(parts: Partial<FlushMessage>): FlushMessage {
  return { session: "s1", flush: 1, kind: "flush", results: [], refs: [], ...parts };
}

describe("wordsOf", () => {
  it.each([
    [{ results: [APPLIED] }, "1 change applied."],
    [{ results: [APPLIED, APPLIED] }, "2 changes applied."],
    [{ results: [APPLIED], refs: [REF] }, "1 change and 1 branch applied."],
    [{ refs: [REF, REF] }, "2 branches applied."],
    [{ kind: "undo" as const, results: [APPLIED] }, "1 change taken back."],
    [{}, "0 changes applied."],
  ])("counts what was done: %j", (parts, text) => {
    expect(wordsOf(flush(parts))).toEqual({ text, isWhole: true });
  });

  it("names what was not done, and why", () => {
    const refs = [{ ...REF, failure: "it is checked out" }];
    const words = wordsOf(flush({ results: [APPLIED, FAILED], refs }));
    expect(words).toEqual({
      text:
        "1 change applied. Not applied: b (changedMeanwhile), " +
        "refs/bbox/s1/main (it is checked out).",
      isWhole: false,
    });
  });
});

describe("a plan", () => {
  it("is empty when it neither does nor says anything", () => {
    const skipped = [{ change: "c1", path: "a", reason: "alreadyThere" as const }];
    expect(isEmpty(PLAN)).toBe(true);
    expect(isEmpty({ ...PLAN, skipped })).toBe(false);
  });

  it("tells what it leaves out", () => {
    const conflicts = [{ change: "c1", path: "a", reason: "changedBoth" as const }];
    expect(leftOut({ ...PLAN, conflicts, hardLinked: ["b"] })).toEqual([
      "a: you have changed the same lines; edit it to bring both together",
      "b: its other names keep the old content",
    ]);
  });

  it("tells what it will do", () => {
    const operations = [
      { change: "c1", path: "a", kind: "write", merged: true },
      { change: "c2", path: "b", kind: "delete", merged: false },
    ] as const;
    expect(willDo({ ...PLAN, operations })).toEqual([
      "write a (merged with your own changes)",
      "delete b",
    ]);
  });

  it("tells no more than fits on a screen", () => {
    const operation = { change: "c1", path: "a", kind: "write", merged: false } as const;
    const lines = willDo({ ...PLAN, operations: Array.from({ length: 25 }, () => operation) });
    expect(lines).toHaveLength(21);
    expect(lines.at(-1)).toBe("and 5 more");
  });
});
