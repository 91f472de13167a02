// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import { endingLines } from "./ending.js";
import { sampleSession } from "./samples.js";

describe("endingLines", () => {
  it.each([
    [{ code: 0, outOfMemory: false }, "codex has ended."],
    [{ code: 3, outOfMemory: false }, "codex ended with code 3."],
    [{ signal: "KILL", outOfMemory: false }, "codex was ended by KILL."],
    [{ signal: "KILL", outOfMemory: true }, "codex was ended: the microVM ran out of memory."],
  ])("says how the agent ended: %j", (exit, words) => {
    expect(endingLines(sampleSession({ exit }))).toEqual([
      `${words} Its changes are in Source Control.`,
    ]);
  });

  it("says why it failed and what to do", () => {
    const failure = {
      code: "vm.lost",
      message: "The microVM is gone.",
      cause: "QEMU was killed.",
      remediation: "Start the agent again.",
      retry: "retry",
    } as const;
    expect(endingLines(sampleSession({ failure, state: "failed" }))).toEqual([
      "The microVM is gone. QEMU was killed. Start the agent again.",
      "codex has ended.",
    ]);
  });

  it("says when nothing is left to decide", () => {
    expect(endingLines(sampleSession({ state: "done" }))).toEqual([
      "codex has ended. Nothing is left to decide.",
    ]);
  });
});
