// SPDX-License-Identifier: Apache-2.0
// More output than any window holds, and a reload in the middle: each line is there, once.
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
  const lines = (await editor.terminalText()).split("\n").map((line) => line.trim());
  const printed = lines.filter((line) => line.startsWith("line "));
  const expected = Array.from({ length: COUNT }, (_, index) => `line ${padded(index + 1)}`);
  assert.equal(printed.length, COUNT);
  assert.equal(printed.join("\n"), expected.join("\n"));
  step("answer it");
  await editor.type("enough");
  await editor.page.keyboard.press("Enter");
  await editor.terminalShows("it said enough");
  await editor.terminalShows("▸ counter has ended.");
}

function padded(number: number): string {
  return String(number).padStart(7, "0");
}

await play(scenario);
