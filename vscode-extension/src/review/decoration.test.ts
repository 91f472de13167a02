// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import { decorationOf } from "./decoration.js";
import { sampleChange } from "./samples.js";

describe("decorationOf", () => {
  it("says whose change it is, and what is decided", () => {
    expect(decorationOf("codex", sampleChange())).toMatchObject({
      badge: "◇",
      tooltip: "codex: modified, to decide",
    });
    expect(decorationOf("codex", sampleChange({ verdict: "accepted" }))).toMatchObject({
      badge: "◆",
      tooltip: "codex: modified, accepted, not applied yet",
    });
  });

  it("stands out where a look is needed", () => {
    const change = sampleChange({ tier: "executesOnHost", reason: "git runs it" });
    expect(decorationOf("codex", change)?.badge).toBe("!");
  });

  it("leaves files alone that stay as they are", () => {
    expect(decorationOf("codex", sampleChange({ verdict: "rejected" }))).toBeUndefined();
  });
});
