// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import { lensesOf, lineOf } from "./hunk_lens.js";
import { sampleChange, sampleHunk } from "./samples.js";

describe("lineOf", () => {
  it("is the first line that differs, not the context before it", () => {
    const hunk = sampleHunk({ newStart: 7, newLines: 4, diff: " a\n b\n-old\n+new\n c\n" });
    expect(lineOf(hunk, 100)).toBe(8);
  });

  it("is the line after a deletion", () => {
    const hunk = sampleHunk({ newStart: 4, newLines: 0, diff: "-old\n" });
    expect(lineOf(hunk, 100)).toBe(4);
  });

  it("stays within a file that ends where the deletion was", () => {
    const hunk = sampleHunk({ newStart: 4, newLines: 0, diff: "-old\n" });
    expect(lineOf(hunk, 4)).toBe(3);
    expect(lineOf(hunk, 0)).toBe(0);
  });

  it("is the first line for a change of the mode", () => {
    const hunk = sampleHunk({ oldStart: 0, oldLines: 0, newStart: 0, newLines: 0, diff: "" });
    expect(lineOf(hunk, 9)).toBe(0);
  });
});

describe("lensesOf", () => {
  it("offers to accept and to reject each open hunk", () => {
    const hunks = [sampleHunk(), sampleHunk({ id: "h2", newStart: 9 })];
    const lenses = lensesOf(sampleChange({ hunks }), 20);
    expect(lenses.map((lens) => [lens.line, lens.title, lens.hunk?.id])).toEqual([
      [0, "$(check)\u00a0Accept", "h1"],
      [0, "$(close)\u00a0Reject", "h1"],
      [8, "$(check)\u00a0Accept", "h2"],
      [8, "$(close)\u00a0Reject", "h2"],
    ]);
  });

  it("says how far a hunk goes that changes several places", () => {
    const diff = "@@ -1,5 +3,6 @@\n a\n+b\n c\n-d\n+e\n f\n";
    const hunk = sampleHunk({ newStart: 3, newLines: 5, diff });
    const titles = lensesOf(sampleChange({ hunks: [hunk] }), 20).map((lens) => lens.title);
    expect(titles.at(-1)).toBe("2 places, to line 6");
  });

  it("says what was decided and offers to take it back", () => {
    const change = sampleChange({ hunks: [sampleHunk({ verdict: "rejected" })] });
    expect(lensesOf(change, 5).map((lens) => lens.title)).toEqual([
      "$(circle-slash)\u00a0Rejected",
      "$(discard)\u00a0Take back",
    ]);
  });

  it("decides on the file where there are no hunks", () => {
    const titles = lensesOf(sampleChange({ kind: "added" }), 5).map((lens) => lens.title);
    expect(titles).toEqual(["$(check)\u00a0Accept file", "$(close)\u00a0Reject file"]);
  });

  it("offers nothing for what is withheld", () => {
    const lenses = lensesOf(sampleChange({ withheld: "secret" }), 5);
    expect(lenses).toEqual([{ line: 0, title: "Withheld: secret" }]);
  });

  it("offers to edit where there is a text", () => {
    const agent = { kind: "file", mode: 0o100644, size: 4 } as const;
    const text = sampleChange({ hunks: [sampleHunk()], agent });
    expect(lensesOf(text, 5).map((lens) => lens.act)).toEqual(["accepted", "rejected", "edit"]);
    const gone = sampleChange({ kind: "deleted" });
    expect(lensesOf(gone, 5).map((lens) => lens.act)).toEqual(["accepted", "rejected"]);
    const edited = lensesOf({ ...text, verdict: "edited" }, 5);
    expect(edited.map((lens) => lens.act)).toEqual([undefined, "edit", "undecided"]);
  });

  it("says first that the user has changed the same lines, and what to do", () => {
    const agent = { kind: "file", mode: 0o100644, size: 4 } as const;
    const change = sampleChange({ conflict: "conflicting", agent });
    expect(lensesOf(change, 5)[0]).toEqual({
      line: 0,
      title: "$(warning)\u00a0You have changed the same lines: bring both together",
      act: "edit",
    });
    expect(lensesOf({ ...change, verdict: "rejected" }, 5)[0]?.act).toBeUndefined();
  });
});
