// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import { sampleChange, sampleHunk } from "./samples.js";
import { spotAt, undecidedFrom, type Cursor, type Direction } from "./undecided.js";

const FIRST = sampleHunk({ id: "h1", newStart: 3 });
const DECIDED = sampleHunk({ id: "h2", newStart: 10, verdict: "accepted" });
const LAST = sampleHunk({ id: "h3", newStart: 20 });
const A = sampleChange({ id: "a", path: "a.py", verdict: "mixed", hunks: [FIRST, DECIDED, LAST] });
const B = sampleChange({ id: "b", path: "b.py", verdict: "rejected" });
const C = sampleChange({ id: "c", path: "c.py", kind: "added" });
const LIST = { revision: 1, changes: [A, B, C] };

function from(cursor: Cursor | undefined, direction: Direction): string | undefined {
  const spot = undecidedFrom(LIST, cursor, direction);
  return spot && `${spot.change.path}:${spot.line}`;
}

describe("undecidedFrom", () => {
  it("leaves out what is decided", () => {
    expect(from({ path: "a.py", line: 2 }, "next")).toBe("a.py:19");
    expect(from({ path: "a.py", line: 19 }, "next")).toBe("c.py:0");
    expect(from({ path: "c.py", line: 0 }, "previous")).toBe("a.py:19");
  });

  it("goes on at the other end", () => {
    expect(from({ path: "c.py", line: 5 }, "next")).toBe("a.py:2");
    expect(from({ path: "a.py", line: 0 }, "previous")).toBe("c.py:0");
  });

  it("begins at an end where no changed file is open", () => {
    expect(from(undefined, "next")).toBe("a.py:2");
    expect(from({ path: "other.py", line: 0 }, "previous")).toBe("c.py:0");
  });

  it("is nothing when all is decided", () => {
    expect(undecidedFrom({ revision: 1, changes: [B] }, undefined, "next")).toBeUndefined();
  });
});

describe("spotAt", () => {
  it("is the hunk that the cursor is in or after", () => {
    expect(spotAt(A, 2).hunk?.id).toBe("h1");
    expect(spotAt(A, 12).hunk?.id).toBe("h2");
    expect(spotAt(A, 500).hunk?.id).toBe("h3");
  });

  it("is the first hunk above all of them", () => {
    expect(spotAt(A, 0).hunk?.id).toBe("h1");
  });

  it("is the file where there are no hunks", () => {
    expect(spotAt(C, 7)).toEqual({ change: C, line: 0 });
  });
});
