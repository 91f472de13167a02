// SPDX-License-Identifier: Apache-2.0

const LIMIT = 4;
const WINDOW_MS = 3 * 60 * 1000;

/** How often what was lost is started again unasked: what always dies is left. */
export class Restarts {
  #losses: readonly number[] = [];

  /** Note a loss; whether another start may help. */
  mayRestart(nowMs: number): boolean {
    this.#losses = [...this.#losses.filter((lossMs) => nowMs - lossMs < WINDOW_MS), nowMs];
    return this.#losses.length <= LIMIT;
  }
}
