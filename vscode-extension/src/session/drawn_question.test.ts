// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import { cutSequence, hasBell, takeAnswers } from "./drawn_question.js";

const ANSWER = '\x1bP1$r0"q\x1b\\';

describe("cutSequence", () => {
  it.each(["\x1b", "\x1b[", "\x1b[38;5;", "\x1b[?2004", "\x1b(", "\x1b]10;?", "\x1b]10;?\x1b"])(
    "keeps back %j",
    (begin) => {
      expect(cutSequence(`text${begin}`)).toEqual(["text", begin]);
    },
  );

  it.each(["", "text", "\x1b[0m", "\x1b[2Jx", "\x1b7", "\x1b(B", "\x1b]10;?\x07", "\x1b[?25h"])(
    "keeps nothing back of %j",
    (text) => {
      expect(cutSequence(text)).toEqual([text, ""]);
    },
  );

  it("keeps the same text however it is cut", () => {
    const text = "a\x1b[1;31mb\x1b(Bc\x1b]11;?\x1b\\d\x1b[?1049h";
    for (let at = 0; at <= text.length; at += 1) {
      const [first, rest] = cutSequence(text.slice(0, at));
      const [second, end] = cutSequence(rest + text.slice(at));
      expect(first + second + end).toBe(text);
      expect(end).toBe("");
    }
  });
});

describe("takeAnswers", () => {
  it("tells answers from what was typed", () => {
    expect(takeAnswers(ANSWER)).toEqual({ typed: "", isAnswer: true });
    expect(takeAnswers(`a${ANSWER}b`)).toEqual({ typed: "ab", isAnswer: true });
  });

  it.each(["ls\r", "\x1b[A", "\x1b[0n", "\x1b[3;4R", "\x1bP"])(
    "leaves %j to the agent",
    (typed) => {
      expect(takeAnswers(typed)).toEqual({ typed, isAnswer: false });
    },
  );
});

describe("hasBell", () => {
  it.each(["\x07", "done\x07\r\n", "\x1b]0;title\x07\x07"])("hears it in %j", (text) => {
    expect(hasBell(text)).toBe(true);
  });

  it.each(["", "text", "\x1b]0;title\x07", "\x1b]2;a\x1b\\b\x1b]0;c\x07"])(
    "hears none in %j",
    (text) => {
      expect(hasBell(text)).toBe(false);
    },
  );
});
