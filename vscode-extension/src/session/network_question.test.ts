// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import type { EventMessage } from "../wire/messages.js";
import { ANSWERS, askingWords, OFFERED, QuestionQueue, questionOf } from "./network_question.js";

const PYPI = { host: "files.test", port: 443 };
const GIT = { host: "git.test", port: 22 };

function event(kind: EventMessage["kind"], fields: EventMessage["fields"]): EventMessage {
  return { session: "s1", seq: 1, ts: 1, kind, fields };
}

describe("questionOf", () => {
  it("is the name and port that is asked for", () => {
    expect(questionOf(event("network.ask", { ...PYPI, reason: "no-rule" }), "network.ask")).toEqual(
      PYPI,
    );
    const answered = event("network.answered", { ...PYPI, answer: "deny" });
    expect(questionOf(answered, "network.answered")).toEqual(PYPI);
  });

  it.each([
    event("network.blocked", { host: "files.test", port: 443 }),
    event("network.ask", { port: 443 }),
    event("network.ask", { host: "files.test", port: "443" }),
  ])("is none of %j", (other) => {
    expect(questionOf(other, "network.ask")).toBeUndefined();
  });
});

describe("QuestionQueue", () => {
  it("shows one question at a time, in their order", () => {
    const queue = new QuestionQueue();
    queue.add(PYPI);
    queue.add(GIT);
    expect(queue.next()).toEqual(PYPI);
    expect(queue.next()).toBeUndefined();
    expect(queue.size).toBe(1);
    queue.done();
    expect(queue.next()).toEqual(GIT);
    queue.done();
    expect(queue.next()).toBeUndefined();
  });

  it("asks nothing twice while it is shown or waits", () => {
    const queue = new QuestionQueue();
    queue.add(PYPI);
    queue.next();
    queue.add(PYPI);
    queue.add(GIT);
    queue.add(GIT);
    expect(queue.size).toBe(1);
  });

  it("leaves out what was answered elsewhere", () => {
    const queue = new QuestionQueue();
    queue.add(PYPI);
    queue.add(GIT);
    queue.remove(PYPI);
    expect(queue.next()).toEqual(GIT);
  });
});

describe("the words", () => {
  it("say who waits for what, and how much more there is", () => {
    expect(askingWords("codex", PYPI, 0)).toBe(
      "codex waits for files.test:443, which no rule allows.",
    );
    expect(askingWords("codex", GIT, 3)).toContain("3 more to answer.");
  });

  it("have a label for each answer that is offered", () => {
    const known = ANSWERS.map((item) => item.answer);
    expect(OFFERED.filter((answer) => !known.includes(answer))).toEqual([]);
  });
});
