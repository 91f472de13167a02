// SPDX-License-Identifier: Apache-2.0
import type { SessionMessage } from "../wire/messages.js";

/** A session for tests. */
export function sampleSession(parts: Partial<SessionMessage> = {}): SessionMessage {
  return {
    id: "s1",
    state: "reviewing",
    agent: "codex",
    workspace: "/home/ada/tally",
    image: "",
    command: [],
    createdAt: 1,
    running: false,
    after: "ask",
    ...parts,
  };
}
