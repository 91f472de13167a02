// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import type { EventMessage } from "../wire/messages.js";
import { sampleSession } from "./samples.js";
import { isEnd, reduce, viewOf } from "./session_view.js";

const ATTACHED_AT = 100;
const VIEW = viewOf(sampleSession({ state: "created" }), ATTACHED_AT);
const RUNNING = viewOf(sampleSession({ state: "running" }), ATTACHED_AT);

function event(
  seq: number,
  kind: EventMessage["kind"],
  fields: EventMessage["fields"] = {},
): EventMessage {
  return { session: "s1", seq, ts: ATTACHED_AT, kind, fields };
}

describe("reduce", () => {
  it("follows the states", () => {
    const step = reduce(VIEW, event(1, "session.state", { state: "running" }));
    expect(step.view).toMatchObject({ state: "running", nextSeq: 2 });
    expect(step.areChangesStale).toBe(true);
  });

  it("takes no event twice", () => {
    const { view } = reduce(VIEW, event(4, "session.state", { state: "running" }));
    const again = reduce(view, event(4, "session.state", { state: "failed" }));
    expect(again).toEqual({ view, areChangesStale: false });
  });

  it("takes no event of another session", () => {
    expect(reduce(VIEW, { ...event(1, "changes"), session: "s2" }).view).toBe(VIEW);
  });

  it("knows when the agent has ended", () => {
    const { view } = reduce(RUNNING, event(1, "session.state", { state: "reviewing" }));
    const flushing = reduce(view, event(2, "session.state", { state: "flushing" })).view;
    expect([isEnd(RUNNING, view), isEnd(view, view), isEnd(VIEW, RUNNING)]).toEqual([
      true,
      false,
      false,
    ]);
    expect(isEnd(view, flushing)).toBe(false);
  });

  it("keeps its state when it hears of one that it does not know", () => {
    const step = reduce(VIEW, event(1, "session.state", { state: "toString" }));
    expect(step.view.state).toBe("created");
  });

  it("shows the beginning of a phase and not its end", () => {
    const started = event(1, "progress", { step: "started", message: "Starting the microVM" });
    const finished = event(2, "progress", { step: "finished", message: "Started" });
    expect(reduce(VIEW, started).line).toEqual({
      text: "Starting the microVM",
      tone: "plain",
    });
    expect(reduce(VIEW, finished).line).toBeUndefined();
  });

  it("leaves the screen to the agent once it runs", () => {
    const progress = event(1, "progress", { step: "started", message: "Comparing" });
    expect(reduce(RUNNING, progress).line).toBeUndefined();
  });

  it("warns beside the terminal once the agent runs", () => {
    const warning = event(1, "warning", { text: "The guest has no network any more." });
    expect(reduce(VIEW, warning).line).toEqual({
      text: "The guest has no network any more.",
      tone: "warning",
    });
    const step = reduce(RUNNING, warning);
    expect(step.notice).toBe("The guest has no network any more.");
    expect(step.line).toBeUndefined();
  });

  it("warns of nothing that was before it was there", () => {
    const warning = { ...event(1, "warning", { text: "Long ago" }), ts: ATTACHED_AT - 1 };
    expect(reduce(RUNNING, warning).notice).toBeUndefined();
  });

  it("asks for a name that the guest waits for, unless it was asked before", () => {
    const question = { host: "files.test", port: 443 };
    const ask = event(1, "network.ask", question);
    expect(reduce(RUNNING, ask).question).toEqual(question);
    expect(reduce(RUNNING, { ...ask, ts: ATTACHED_AT - 1 }).question).toBeUndefined();
    const answered = event(1, "network.answered", { ...question, answer: "once" });
    expect(reduce(RUNNING, answered).answered).toEqual(question);
  });

  it("lists the changes again after any event that may change them", () => {
    const kinds = ["changes", "review", "flush", "network.blocked"] as const;
    const stale = kinds.map((kind) => reduce(VIEW, event(1, kind)).areChangesStale);
    expect(stale).toEqual([true, true, true, false]);
  });
});
