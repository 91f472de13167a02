// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import { ACK_BYTES, TerminalPosition } from "./terminal_position.js";

describe("TerminalPosition", () => {
  it("shows frames that follow one another whole", () => {
    const position = new TerminalPosition(0);
    expect(position.take(0, 10)).toEqual({ repeated: 0, missing: 0 });
    expect(position.take(10, 5)).toEqual({ repeated: 0, missing: 0 });
    expect(position.shown).toBe(15);
  });

  it("skips what was shown before a reconnection", () => {
    const position = new TerminalPosition(0);
    position.take(0, 10);
    expect(position.take(4, 10)).toEqual({ repeated: 6, missing: 0 });
    expect(position.take(0, 5)).toEqual({ repeated: 5, missing: 0 });
    expect(position.shown).toBe(14);
  });

  it("counts what the server did not keep", () => {
    const position = new TerminalPosition(3);
    expect(position.take(10, 2)).toEqual({ repeated: 0, missing: 7 });
    expect(position.shown).toBe(12);
  });

  it("acknowledges each byte once", () => {
    const position = new TerminalPosition(0);
    expect(position.acknowledge()).toBeUndefined();
    position.take(0, 7);
    expect(position.isAckDue).toBe(false);
    expect(position.acknowledge()).toBe(7);
    expect(position.acknowledge()).toBeUndefined();
  });

  it("is due before the window is full", () => {
    const position = new TerminalPosition(100);
    position.take(100, ACK_BYTES);
    expect(position.isAckDue).toBe(true);
    position.acknowledge();
    expect(position.isAckDue).toBe(false);
  });
});
