// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import { Latest } from "./latest.js";

/** Work whose every turn ends when the test says so. */
class Turns {
  readonly #waiting: (() => void)[] = [];
  begun = 0;

  readonly work = (): Promise<void> => {
    this.begun += 1;
    return new Promise((resolve) => this.#waiting.push(resolve));
  };

  async end(): Promise<void> {
    this.#waiting.shift()?.();
    // All that follows from it is done before the next task.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function unexpected(error: unknown): void {
  throw error;
}

describe("Latest", () => {
  it("does what is asked for meanwhile once more, not more often", async () => {
    const turns = new Turns();
    const latest = new Latest(turns.work, unexpected);
    latest.ask();
    latest.ask();
    latest.ask();
    expect(turns.begun).toBe(1);
    await turns.end();
    expect(turns.begun).toBe(2);
    await turns.end();
    expect(turns.begun).toBe(2);
    latest.ask();
    expect(turns.begun).toBe(3);
  });

  it("goes on after a failure", async () => {
    const failures: unknown[] = [];
    let count = 0;
    const work = (): Promise<void> => {
      count += 1;
      return count === 1 ? Promise.reject(new Error("gone")) : Promise.resolve();
    };
    const latest = new Latest(work, (error) => failures.push(error));
    latest.ask();
    latest.ask();
    await new Promise((resolve) => setImmediate(resolve));
    expect(failures).toEqual([new Error("gone")]);
    expect(count).toBe(2);
  });
});
