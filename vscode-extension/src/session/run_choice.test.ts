// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import {
  choiceName,
  numberFault,
  optionsOf,
  paramsOf,
  rememberedChoice,
  wordsOf,
} from "./run_choice.js";

describe("wordsOf", () => {
  it.each([
    ["", []],
    ["  exec  --json ", ["exec", "--json"]],
    [`exec "make it 'faster'" 'a "b"'`, ["exec", "make it 'faster'", 'a "b"']],
    [String.raw`a\ b "c\"d" 'e\f'`, ["a b", 'c"d', String.raw`e\f`]],
    [`'' x`, ["", "x"]],
    [`a'b'c`, ["abc"]],
  ])("splits %j as a shell does", (line, words) => {
    expect(wordsOf(line)).toEqual(words);
  });

  it.each(["'open", '"open', `a "b' c`])("takes no quote that is not closed: %j", (line) => {
    expect(wordsOf(line)).toBeUndefined();
  });
});

describe("optionsOf", () => {
  it("leaves out what was not said", () => {
    expect(optionsOf({ cpus: "", memoryMib: "", egressProfile: "" })).toEqual({});
    expect(optionsOf({ cpus: "4", memoryMib: "2048", egressProfile: "locked" })).toEqual({
      cpus: 4,
      memoryMib: 2048,
      egressProfile: "locked",
    });
  });
});

describe("numberFault", () => {
  it("takes nothing, and whole numbers", () => {
    expect([numberFault(""), numberFault("4096")]).toEqual([undefined, undefined]);
  });

  it.each(["0", "-1", "2.5", "4g", " 4", "12345678"])("explains what is wrong with %j", (text) => {
    expect(numberFault(text)).toContain("whole number");
  });
});

describe("a choice", () => {
  it("is remembered as it was made", () => {
    const choice = { agent: "codex", args: ["exec"], options: { cpus: 2 } };
    expect(rememberedChoice(JSON.parse(JSON.stringify(choice)))).toEqual(choice);
    expect(choiceName(choice)).toBe("codex exec");
    const size = { cols: 80, rows: 24 };
    expect(paramsOf(choice, "file:///w", size)).toEqual({
      workspaceUri: "file:///w",
      ...choice,
      terminal: size,
    });
  });

  it.each([undefined, null, "codex", {}, { agent: 1 }, { agent: "codex", args: "exec" }])(
    "is none: %j",
    (value) => {
      expect(rememberedChoice(value)).toBeUndefined();
    },
  );
});
