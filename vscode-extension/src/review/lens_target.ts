// SPDX-License-Identifier: Apache-2.0
import type { LensAct } from "./hunk_lens.js";

/** What a click on a lens is about, and what it does. */
export interface LensTarget {
  readonly session: string;
  readonly change: string;
  /** The change as a whole if undefined. */
  readonly hunk?: string;
  readonly act: LensAct;
}

/** A command's argument as a target: anybody can run a command with anything. */
export function isLensTarget(value: unknown): value is LensTarget {
  if (typeof value !== "object" || value === null) {
    return false;
  }
  const { session, change, hunk, act } = value as Readonly<Record<string, unknown>>;
  const isHunk = hunk === undefined || typeof hunk === "string";
  return typeof session === "string" && typeof change === "string" && isHunk && isAct(act);
}

function isAct(value: unknown): value is LensAct {
  return value === "undecided" || value === "accepted" || value === "rejected" || value === "edit";
}
