// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import { trustQuestion } from "./trust.js";

const FOUND = { workspaceUri: "file:///w", digest: "d", widening: ["adds a.example.com", "git"] };

describe("trustQuestion", () => {
  it("has all that is asked for", () => {
    expect(trustQuestion(FOUND)).toBe("adds a.example.com\ngit");
  });

  it.each([
    { ...FOUND, decision: "trusted" as const },
    { ...FOUND, decision: "refused" as const },
    { ...FOUND, widening: [] },
    { workspaceUri: "file:///w", widening: [] },
  ])("is not asked for %j", (found) => {
    expect(trustQuestion(found)).toBeUndefined();
  });
});
