// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import type { EventMessage, SessionMessage } from "../wire/messages.js";
import { endingLine, reduce, viewOf } from "./session_view.js";

const SESSION: SessionMessage = {
  id: "s1",
  state: "created",
  agent: "codex",
  workspace: "/home/ada/tally",
  image: "",
  command: [],
  createdAt: 1,
  running: true,
};

function event(
  seq: number,
  kind: EventMessage["kind"],
  fields: EventMessage["fields"] = {},
): EventMessage {
  return { session: "s1", seq, ts: 1, kind, fields };
}

describe("reduce", () => {
  it("follows the states", () => {
    const step = reduce(viewOf(SESSION), event(1, "session.state", { state: "running" }));
    expect(step.view).toMatchObject({ state: "running", nextSeq: 2 });
    expect(step.areChangesStale).toBe(true);
  });

  it("takes no event twice", () => {
    const { view } = reduce(viewOf(SESSION), event(4, "session.state", { state: "running" }));
    const again = reduce(view, event(4, "session.state", { state: "failed" }));
    expect(again).toEqual({ view, areChangesStale: false });
  });

  it("takes no event of another session", () => {
    const view = viewOf(SESSION);
    expect(reduce(view, { ...event(1, "changes"), session: "s2" }).view).toBe(view);
  });

  it("keeps its state when it hears of one that it does not know", () => {
    const step = reduce(viewOf(SESSION), event(1, "session.state", { state: "toString" }));
    expect(step.view.state).toBe("created");
  });

  it("shows the beginning of a phase and not its end", () => {
    const started = event(1, "progress", { step: "started", message: "Starting the microVM" });
    const finished = event(2, "progress", { step: "finished", message: "Started" });
    expect(reduce(viewOf(SESSION), started).line).toBe("Starting the microVM");
    expect(reduce(viewOf(SESSION), finished).line).toBeUndefined();
  });

  it("leaves the screen to the agent once it runs", () => {
    const line = event(1, "progress", { step: "started", message: "Comparing" });
    expect(reduce(viewOf({ ...SESSION, state: "running" }), line).line).toBeUndefined();
  });

  it("lists the changes again after any event that may change them", () => {
    const kinds = ["changes", "review", "flush", "network.blocked"] as const;
    const stale = kinds.map((kind) => reduce(viewOf(SESSION), event(1, kind)).areChangesStale);
    expect(stale).toEqual([true, true, true, false]);
  });

  it("says how the agent ended", () => {
    const coded = reduce(viewOf(SESSION), event(1, "closed", { code: 3, signal: null })).view;
    const killed = reduce(viewOf(SESSION), event(1, "closed", { code: null, signal: "KILL" })).view;
    expect(endingLine(coded)).toContain("codex ended with code 3.");
    expect(endingLine(killed)).toContain("codex was ended by KILL.");
  });
});
