// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import { bulkOf, rejectionsOf } from "./bulk.js";
import { sampleChange, sampleHunk } from "./samples.js";

describe("bulkOf", () => {
  it("tells apart what can be accepted at once and what can't", () => {
    const changes = [
      sampleChange({ id: "a" }),
      sampleChange({ id: "b", path: "Makefile", tier: "buildFile" }),
      sampleChange({ id: "c", path: ".envrc", tier: "executesOnHost" }),
      sampleChange({ id: "d", withheld: "secret" }),
      sampleChange({ id: "e", path: "both.py", conflict: "conflicting" }),
    ];
    expect(bulkOf(changes)).toEqual({
      ordinary: [{ change: "a", verdict: "accepted" }],
      ofBuildFiles: [{ change: "b", verdict: "accepted" }],
      buildFiles: ["Makefile"],
      oneByOne: [".envrc", "both.py"],
    });
  });

  it("leaves hunks alone that are decided", () => {
    const hunks = [sampleHunk({ id: "h1", verdict: "rejected" }), sampleHunk({ id: "h2" })];
    const change = sampleChange({ id: "a", verdict: "mixed", hunks });
    expect(bulkOf([change]).ordinary).toEqual([{ change: "a", hunk: "h2", verdict: "accepted" }]);
  });
});

describe("rejectionsOf", () => {
  it("takes what is open or accepted, of every tier", () => {
    const changes = [
      sampleChange({ id: "a", verdict: "accepted" }),
      sampleChange({ id: "b", tier: "executesOnHost" }),
      sampleChange({ id: "c", verdict: "rejected" }),
      sampleChange({ id: "d", withheld: "secret" }),
    ];
    expect(rejectionsOf(changes).map((item) => item.change)).toEqual(["a", "b"]);
  });
});
