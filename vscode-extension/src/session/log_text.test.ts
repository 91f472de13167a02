// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import { logText } from "./log_text.js";

const EVENT = { session: "s1", seq: 1, ts: 0, kind: "progress", fields: {} } as const;

describe("logText", () => {
  it("has a line for each event, without what says nothing", () => {
    const fields = { message: "Booting\u001b[2J", rule: "", count: 0, host: null };
    const text = logText({ session: "s1", events: [{ ...EVENT, fields }], console: "" });
    const [head, , line] = text.split("\n");
    expect(head).toBe("Session s1");
    expect(line).toMatch(/progress {10}message=Booting \[2J$/);
    expect(text).not.toContain("console");
  });

  it("ends with the console, and says where the trace is", () => {
    const text = logText({ session: "s1", events: [EVENT], console: "ready\n", trace: "/t.json" });
    expect(text).toContain("Trace: /t.json");
    expect(text.endsWith("ready\n")).toBe(true);
  });
});
