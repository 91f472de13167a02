// SPDX-License-Identifier: Apache-2.0
import type { SessionMessage, SessionState } from "../wire/messages.js";

/** What can be done with a session; `when` clauses of the manifest ask for it. */
export type SessionUse = "running" | "waiting";

/** A session in the list of them. */
export interface SessionRow {
  readonly label: string;
  readonly description: string;
  readonly tooltip: string;
  /** An icon of the editor's. */
  readonly icon: string;
  readonly use: SessionUse;
}

const WORDS: Readonly<Record<SessionState, string>> = {
  created: "starts",
  preparing: "takes the snapshot",
  starting: "starts",
  running: "works",
  stopping: "stops",
  reviewing: "waits for your review",
  flushing: "is applied",
  done: "done",
  failed: "failed",
  discarded: "discarded",
};

/** How a session is shown at a time (seconds since the epoch). */
export function rowOf(session: SessionMessage, now: number): SessionRow {
  const agent = session.agent || session.image || "agent";
  const folder = session.workspace.split("/").findLast((part) => part !== "") ?? "/";
  const words = session.running && session.state === "reviewing" ? "works" : WORDS[session.state];
  return {
    label: agent,
    description: `${folder} · ${words} · ${elapsed(now - session.createdAt)}`,
    tooltip: [
      `${agent} on ${session.workspace}`,
      `${words}, begun ${new Date(session.createdAt * 1000).toLocaleString()}`,
      ...(session.failure === undefined ? [] : [session.failure.message]),
      session.id,
    ].join("\n"),
    icon: iconOf(session),
    use: session.running ? "running" : "waiting",
  };
}

function iconOf(session: SessionMessage): string {
  if (session.running) {
    return "vm-running";
  }
  return session.state === "failed" ? "error" : "vm-outline";
}

/** How long something takes already: `40 s`, `12 min`, `3 h`, `2 d`. */
function elapsed(seconds: number): string {
  const steps: readonly (readonly [number, string])[] = [
    [86_400, "d"],
    [3600, "h"],
    [60, "min"],
  ];
  const [size, unit] = steps.find(([length]) => seconds >= length) ?? [1, "s"];
  return `${Math.max(0, Math.floor(seconds / size))} ${unit}`;
}
