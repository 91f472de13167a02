// SPDX-License-Identifier: Apache-2.0
import type { DecidableVerdict } from "../wire/messages.js";

/** What a click on a lens decides. */
export interface LensTarget {
  readonly change: string;
  /** The change as a whole if undefined. */
  readonly hunk?: string;
  readonly verdict: DecidableVerdict;
}

/** A command's argument as a target: anybody can run a command with anything. */
export function isLensTarget(value: unknown): value is LensTarget {
  if (typeof value !== "object" || value === null) {
    return false;
  }
  const { change, hunk, verdict } = value as Readonly<Record<string, unknown>>;
  const isHunk = hunk === undefined || typeof hunk === "string";
  return typeof change === "string" && isHunk && isVerdict(verdict);
}

function isVerdict(value: unknown): value is DecidableVerdict {
  return value === "undecided" || value === "accepted" || value === "rejected";
}
