// SPDX-License-Identifier: Apache-2.0
import type { ChangeMessage, HunkMessage } from "../wire/messages.js";

/** A hunk for tests. */
export function sampleHunk(parts: Partial<HunkMessage> = {}): HunkMessage {
  return {
    id: "h1",
    header: "@@ -1,1 +1,1 @@",
    oldStart: 1,
    oldLines: 1,
    newStart: 1,
    newLines: 1,
    verdict: "undecided",
    diff: "-old\n+new\n",
    ...parts,
  };
}

/** A change for tests. */
export function sampleChange(parts: Partial<ChangeMessage> = {}): ChangeMessage {
  return {
    id: "c1",
    path: "src/money.py",
    kind: "modified",
    tier: "ordinary",
    verdict: "undecided",
    conflict: "none",
    notes: [],
    hunkCount: 0,
    hunks: [],
    ...parts,
  };
}
