// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { ResponseError } from "vscode-jsonrpc/node";

import { explain, failureOf } from "./failure.js";

const STALE = {
  code: "review.stale",
  message: "The changes moved on.",
  cause: "There is no change 9b1f.",
  remediation: "Look again.",
  retry: "retry",
};

describe("explain", () => {
  it("says what happened, why and what to do", () => {
    const error = new ResponseError(-32803, "failed", STALE);
    expect(explain(error)).toBe("The changes moved on. There is no change 9b1f. Look again.");
    expect(failureOf(error)?.code).toBe("review.stale");
  });

  it("finds the failure where it is a field of the data", () => {
    expect(failureOf(new ResponseError(-32803, "failed", { failure: STALE }))).toEqual(STALE);
  });

  it("falls back to the message of anything else", () => {
    expect(explain(new ResponseError(-32603, "internal", { code: 7 }))).toBe("internal");
    expect(explain("gone")).toBe("gone");
  });
});
