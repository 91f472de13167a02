// SPDX-License-Identifier: Apache-2.0
import { setTimeout as pause } from "node:timers/promises";

/** How long something may take that needs no microVM. */
export const WAIT_MS = 60_000;

const POLL_MS = 100;

/** Wait until `probe` gives something; says what did not come, and what was there instead. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined>,
  timeoutMs = WAIT_MS,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let last = "";
  while (Date.now() < deadline) {
    try {
      const found = await probe();
      if (found !== undefined) {
        return found;
      }
      last = "";
    } catch (error) {
      last = `; ${error instanceof Error ? error.message : String(error)}`;
    }
    await pause(POLL_MS);
  }
  throw new Error(`${what}: not within ${timeoutMs} ms${last}`);
}

/** An answer for `until`. */
export function when(isSo: boolean): true | undefined {
  return isSo ? true : undefined;
}

/** A pattern of exactly this text, with blanks around it. */
export function exactly(text: string): RegExp {
  const literal = text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(String.raw`^\s*${literal}\s*$`);
}
