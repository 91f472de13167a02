// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import { sampleSession } from "./samples.js";
import { rowOf } from "./session_row.js";

describe("rowOf", () => {
  it("says who works on what, and how long", () => {
    const session = sampleSession({ state: "running", running: true, createdAt: 100 });
    expect(rowOf(session, 100 + 12 * 60)).toMatchObject({
      label: "codex",
      description: "tally · works · 12 min",
      icon: "vm-running",
      use: "running",
    });
  });

  it.each([
    [0, "0 s"],
    [59, "59 s"],
    [3600, "1 h"],
    [90_000, "1 d"],
    [-5, "0 s"],
  ])("measures %d s", (seconds, words) => {
    expect(rowOf(sampleSession(), 1 + seconds).description).toMatch(new RegExp(`${words}$`));
  });

  it("names the image where there is no agent, and why it failed", () => {
    const failure = {
      code: "vm.lost",
      message: "The microVM is gone.",
      cause: "",
      remediation: "",
      retry: "retry",
    } as const;
    const row = rowOf(sampleSession({ agent: "", image: "oci:x", state: "failed", failure }), 1);
    expect(row).toMatchObject({ label: "oci:x", icon: "error", use: "waiting" });
    expect(row.tooltip).toContain("The microVM is gone.");
  });
});
