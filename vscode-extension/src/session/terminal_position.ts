// SPDX-License-Identifier: Apache-2.0

/** What a frame adds to what was written already. */
export interface Arrival {
  /** How many bytes at the frame's beginning were written before. */
  readonly repeated: number;
  /** How many bytes before the frame are gone: the server kept only the newest. */
  readonly missing: number;
}

/** Ask the terminal how far it is when so much is new; the server's window is 16 times that. */
export const ASK_BYTES = 64 * 1024;

/** How far a terminal is: which bytes were written to it, and which of them it has drawn. */
export class TerminalPosition {
  #written = 0;
  #drawn = 0;
  #asked: number | undefined;

  /** The next byte to write. */
  get next(): number {
    return this.#written;
  }

  /** Take a frame: no byte is written twice, and none is lost without being counted. */
  take(fromByte: number, length: number): Arrival {
    const repeated = Math.min(Math.max(this.#written - fromByte, 0), length);
    const missing = Math.max(fromByte - this.#written, 0);
    this.#written = Math.max(this.#written, fromByte + length);
    return { repeated, missing };
  }

  /** Whether to ask the terminal now; it counts as asked then. One question at a time. */
  ask(): boolean {
    if (this.#asked !== undefined || this.#written - this.#drawn < ASK_BYTES) {
      return false;
    }
    this.#asked = this.#written;
    return true;
  }

  /** The terminal has answered: everything before this byte is drawn. */
  answered(): number | undefined {
    const drawn = this.#asked;
    this.#asked = undefined;
    this.#drawn = drawn ?? this.#drawn;
    return drawn;
  }
}
