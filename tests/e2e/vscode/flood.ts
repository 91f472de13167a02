// SPDX-License-Identifier: Apache-2.0
// More output than any window holds, a reload in the middle, and a crash of the extension host:
// each line is there, once.
import assert from "node:assert/strict";

import type { Editor } from "./editor.ts";
import { given, play, step } from "./scenario.ts";

const BOOT_MS = 240_000;
const COUNT = Number(given("COUNT"));

async function scenario(editor: Editor): Promise<void> {
  await editor.trust();
  step("run");
  await editor.command("BBox: Run agent in microVM");
  await editor.pick("counter");
  await editor.terminalShows("line 0", BOOT_MS);
  step("reload while it prints");
  await editor.page.reload();
  await editor.ready();
  await editor.terminalShows(`line ${padded(COUNT)}`, BOOT_MS);
  assertLines(await editor.terminalText(), COUNT);
  step("go on, and crash");
  await editor.type("go");
  await editor.page.keyboard.press("Enter");
  step("the extension host dies");
  await editor.terminalShows(`line ${padded(2 * COUNT)}`, BOOT_MS);
  await editor.shot("vscode-crash");
  assertLines(await editor.terminalText(), 2 * COUNT);
  step("answer it");
  await editor.type("enough");
  await editor.page.keyboard.press("Enter");
  await editor.terminalShows("it said enough");
  await editor.terminalShows("▸ counter has ended.");
}

/** All lines up to a number, each once, in order. */
function assertLines(text: string, count: number): void {
  const lines = text.split("\n").map((line) => line.trim());
  const printed = lines.filter((line) => line.startsWith("line "));
  const expected = Array.from({ length: count }, (_, index) => `line ${padded(index + 1)}`);
  assert.equal(printed.length, count);
  assert.equal(printed.join("\n"), expected.join("\n"));
}

function padded(number: number): string {
  return String(number).padStart(7, "0");
}

await play(scenario);
