// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import { isLensTarget } from "./lens_target.js";

describe("isLensTarget", () => {
  it.each([
    { change: "c1", verdict: "accepted" },
    { change: "c1", hunk: "h1", verdict: "undecided" },
  ])("takes %j", (value) => {
    expect(isLensTarget(value)).toBe(true);
  });

  it.each([
    undefined,
    null,
    "c1",
    { change: "c1" },
    { change: 1, verdict: "accepted" },
    { change: "c1", hunk: 1, verdict: "accepted" },
    { change: "c1", verdict: "mixed" },
  ])("refuses %j", (value) => {
    expect(isLensTarget(value)).toBe(false);
  });
});
