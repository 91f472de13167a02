// SPDX-License-Identifier: Apache-2.0

/** What a frame adds to what is on the screen already. */
export interface Arrival {
  /** How many bytes at the frame's beginning were shown before. */
  readonly repeated: number;
  /** How many bytes before the frame are gone: the server kept only the newest. */
  readonly missing: number;
}

/** Acknowledge when so much was shown; the server's window is 16 times that. */
export const ACK_BYTES = 64 * 1024;

/** How far a terminal is: which bytes were shown, and what of it the server knows. */
export class TerminalPosition {
  #shown: number;
  #acknowledged: number;

  constructor(fromByte: number) {
    this.#shown = fromByte;
    this.#acknowledged = fromByte;
  }

  /** The next byte to show. */
  get shown(): number {
    return this.#shown;
  }

  /** Take a frame: no byte is shown twice, and none is lost without being counted. */
  take(fromByte: number, length: number): Arrival {
    const repeated = Math.min(Math.max(this.#shown - fromByte, 0), length);
    const missing = Math.max(fromByte - this.#shown, 0);
    this.#shown = Math.max(this.#shown, fromByte + length);
    return { repeated, missing };
  }

  /** Whether the server has to hear at once, before its window is full. */
  get isAckDue(): boolean {
    return this.#shown - this.#acknowledged >= ACK_BYTES;
  }

  /** What to acknowledge; undefined if the server knows. */
  acknowledge(): number | undefined {
    if (this.#shown === this.#acknowledged) {
      return undefined;
    }
    this.#acknowledged = this.#shown;
    return this.#shown;
  }
}
