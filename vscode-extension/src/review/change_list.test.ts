// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import {
  countsOf,
  decision,
  grouped,
  groupOf,
  isSameList,
  movedPaths,
  standingOf,
  summaryOf,
  withReviewed,
} from "./change_list.js";
import { sampleChange, sampleHunk } from "./samples.js";

const ACCEPTED = sampleHunk({ id: "h1", verdict: "accepted" });
const REJECTED = sampleHunk({ id: "h2", verdict: "rejected" });
const OPEN = sampleHunk({ id: "h3" });

describe("standingOf", () => {
  it("keeps a change open while one of its hunks is", () => {
    const change = sampleChange({ verdict: "mixed", hunks: [ACCEPTED, OPEN] });
    expect(standingOf(change)).toBe("undecided");
  });

  it("counts what is decided and partly accepted as accepted", () => {
    const change = sampleChange({ verdict: "mixed", hunks: [ACCEPTED, REJECTED] });
    expect(standingOf(change)).toBe("accepted");
  });

  it("counts an edited change as accepted whatever its hunks say", () => {
    expect(standingOf(sampleChange({ verdict: "edited", hunks: [OPEN] }))).toBe("accepted");
  });

  it("never offers what is withheld", () => {
    const change = sampleChange({ verdict: "accepted", withheld: "secret" });
    expect(standingOf(change)).toBe("withheld");
  });
});

describe("groupOf", () => {
  it.each([
    [{}, "undecided"],
    [{ tier: "buildFile" }, "undecided"],
    [{ tier: "executesOnHost" }, "needsLook"],
    [{ tier: "executesOnHost", verdict: "accepted" }, "accepted"],
    [{ conflict: "mergeable" }, "undecided"],
    [{ conflict: "conflicting" }, "needsLook"],
    [{ conflict: "conflicting", verdict: "accepted" }, "needsLook"],
    [{ conflict: "conflicting", verdict: "rejected" }, "rejected"],
    [{ failure: "no permission" }, "needsLook"],
    [{ withheld: "secret" }, "needsLook"],
  ] as const)("puts %j where it is seen: %s", (parts, group) => {
    expect(groupOf(sampleChange(parts))).toBe(group);
  });
});

describe("grouped", () => {
  it("has every change once", () => {
    const changes = [sampleChange({ id: "a" }), sampleChange({ id: "b", verdict: "rejected" })];
    const groups = grouped({ revision: 1, changes });
    expect(groups.undecided.map((change) => change.id)).toEqual(["a"]);
    expect(groups.rejected.map((change) => change.id)).toEqual(["b"]);
    expect([...groups.accepted, ...groups.needsLook]).toEqual([]);
  });
});

describe("withReviewed", () => {
  it("has other verdicts, in the same order", () => {
    const list = { revision: 1, changes: [sampleChange({ id: "a" }), sampleChange({ id: "b" })] };
    const taken = sampleChange({ id: "a", verdict: "accepted" });
    const after = withReviewed(list, { revision: 2, changes: [taken] });
    expect(after.revision).toBe(2);
    expect(after.changes.map((change) => change.verdict)).toEqual(["accepted", "undecided"]);
    expect(isSameList(after, list)).toBe(false);
  });

  it("is the same list where nothing is other", () => {
    const list = { revision: 1, changes: [sampleChange({ id: "a" })] };
    const after = withReviewed(list, { revision: 1, changes: [sampleChange({ id: "gone" })] });
    expect(isSameList(after, list)).toBe(true);
  });
});

describe("countsOf", () => {
  it("says only what there is", () => {
    const open = sampleChange({ id: "a" });
    const taken = sampleChange({ id: "b", verdict: "accepted" });
    expect(countsOf({ revision: 1, changes: [] })).toBe("");
    expect(countsOf({ revision: 1, changes: [open] })).toBe("1 to decide");
    expect(countsOf({ revision: 1, changes: [open, taken, open] })).toBe("2 to decide, 1 accepted");
  });
});

describe("movedPaths", () => {
  const side = { kind: "file", mode: 0o644, size: 1 } as const;
  const first = sampleChange({ path: "a", agent: { ...side, hash: "1" } });

  it("names what came, went or has another content, and nothing else", () => {
    const same = sampleChange({ path: "same", agent: { ...side, hash: "9" } });
    const gone = sampleChange({ path: "gone" });
    const come = sampleChange({ path: "come" });
    const before = { revision: 1, changes: [first, same, gone] };
    const changes = [sampleChange({ path: "a", agent: { ...side, hash: "2" } }), same, come];
    expect([...movedPaths(before, { revision: 2, changes })].sort()).toEqual(["a", "come", "gone"]);
  });

  it("does not name what was only decided", () => {
    const before = { revision: 1, changes: [first] };
    const after = { revision: 1, changes: [{ ...first, verdict: "accepted" as const }] };
    expect(movedPaths(before, after)).toEqual([]);
  });
});

describe("decision", () => {
  it("names the hunk only if there is one", () => {
    const change = sampleChange();
    expect(decision(change, "accepted")).toEqual({ change: "c1", verdict: "accepted" });
    expect(decision(change, "rejected", OPEN)).toMatchObject({ hunk: "h3" });
  });
});

describe("summaryOf", () => {
  it("says how many hunks are open where some are decided", () => {
    const change = sampleChange({ added: 2, removed: 1, hunks: [ACCEPTED, OPEN] });
    expect(summaryOf(change)).toBe("modified +2 −1, 1 of its hunks open");
  });

  it("says what a diff does not show", () => {
    const side = { kind: "file", mode: 0o100644, size: 1 } as const;
    const change = sampleChange({
      kind: "mode",
      baseline: side,
      agent: { ...side, mode: 0o100755 },
      notes: ["becomesExecutable"],
    });
    expect(summaryOf(change)).toBe("mode (becomes executable, mode 644 → 755)");
  });

  it("says what to do about a conflict", () => {
    expect(summaryOf(sampleChange({ conflict: "conflicting" }))).toContain("edit it");
  });
});
