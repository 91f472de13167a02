// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import { ASK_BYTES, TerminalPosition } from "./terminal_position.js";

describe("TerminalPosition", () => {
  it("writes what comes in order as it comes", () => {
    const position = new TerminalPosition();
    expect(position.take(0, 10)).toEqual({ repeated: 0, missing: 0 });
    expect(position.take(10, 5)).toEqual({ repeated: 0, missing: 0 });
    expect(position.next).toBe(15);
  });

  it("leaves out what it wrote before", () => {
    const position = new TerminalPosition();
    position.take(0, 10);
    expect(position.take(4, 10)).toEqual({ repeated: 6, missing: 0 });
    expect(position.take(2, 3)).toEqual({ repeated: 3, missing: 0 });
    expect(position.next).toBe(14);
  });

  it("counts what is gone", () => {
    const position = new TerminalPosition();
    expect(position.take(100, 10)).toEqual({ repeated: 0, missing: 100 });
    expect(position.next).toBe(110);
  });

  it("asks one question at a time, and only when enough is new", () => {
    const position = new TerminalPosition();
    position.take(0, ASK_BYTES - 1);
    expect(position.ask()).toBe(false);
    position.take(ASK_BYTES - 1, 1);
    expect(position.ask()).toBe(true);
    position.take(ASK_BYTES, ASK_BYTES);
    expect(position.ask()).toBe(false);
    expect(position.answered()).toBe(ASK_BYTES);
    expect(position.ask()).toBe(true);
    expect(position.answered()).toBe(2 * ASK_BYTES);
  });

  it("takes an answer to no question for nothing", () => {
    const position = new TerminalPosition();
    position.take(0, 10);
    expect(position.answered()).toBeUndefined();
  });
});
