// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import { Restarts } from "./restarts.js";

describe("Restarts", () => {
  it("leaves a server that dies again and again", () => {
    const restarts = new Restarts();
    const answers = [0, 1, 2, 3, 4].map((second) => restarts.mayRestart(second * 1000));
    expect(answers).toEqual([true, true, true, true, false]);
  });

  it("forgets losses of long ago", () => {
    const restarts = new Restarts();
    const answers = [0, 1, 2, 3, 4, 5].map((minute) => restarts.mayRestart(minute * 60_000));
    expect(answers).not.toContain(false);
  });
});
