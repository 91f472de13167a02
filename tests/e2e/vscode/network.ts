// SPDX-License-Identifier: Apache-2.0
// An agent asks for names that no rule allows: each is a notification, and waits for its answer.
import assert from "node:assert/strict";

import type { Locator } from "playwright-core";

import type { Editor } from "./editor.ts";
import { play, step } from "./scenario.ts";
import { until, when } from "./until.ts";

const BOOT_MS = 240_000;

async function scenario(editor: Editor): Promise<void> {
  await editor.trust();
  step("run");
  await editor.command("BBox: Run agent in microVM");
  await editor.pick("asker");
  step("allow for the session");
  const first = await asks(editor, "first");
  await editor.shot("vscode-network");
  await editor.press(first, "Allow for This Session");
  await editor.terminalShows("asked first");
  step("deny, behind the details");
  await editor.press(await asks(editor, "second"), "Details");
  await editor.pick("Deny");
  await editor.terminalShows("asked second");
  step("allow always");
  await editor.press(await asks(editor, "third"), "Always Allow");
  await editor.terminalShows("asked third");
  step("nothing asks any more, and nothing has failed");
  await until("the last notification to go", async () =>
    when((await editor.notifications()).length === 0),
  );
  step("all is answered");
}

async function asks(editor: Editor, name: string): Promise<Locator> {
  const told = await editor.notification(`asker waits for ${name}.example.test:443`, BOOT_MS);
  const text = (await told.textContent()) ?? "";
  assert.ok(text.includes("which no rule allows"), text);
  return told;
}

await play(scenario);
