// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import { isLensTarget } from "./lens_target.js";

describe("isLensTarget", () => {
  it.each([
    { session: "s1", change: "c1", act: "accepted" },
    { session: "s1", change: "c1", hunk: "h1", act: "undecided" },
    { session: "s1", change: "c1", act: "edit" },
  ])("takes %j", (value) => {
    expect(isLensTarget(value)).toBe(true);
  });

  it.each([
    undefined,
    null,
    "c1",
    { session: "s1", change: "c1" },
    { change: "c1", act: "accepted" },
    { session: "s1", change: 1, act: "accepted" },
    { session: "s1", change: "c1", hunk: 1, act: "accepted" },
    { session: "s1", change: "c1", act: "mixed" },
  ])("refuses %j", (value) => {
    expect(isLensTarget(value)).toBe(false);
  });
});
