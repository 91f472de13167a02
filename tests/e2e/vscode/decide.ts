// SPDX-License-Identifier: Apache-2.0
// All kinds of decisions: by a key, edited, refused, in conflict, all at once; applied, taken back.
import assert from "node:assert/strict";

import type { Editor } from "./editor.ts";
import { play, step } from "./scenario.ts";
import { until, when } from "./until.ts";

const BOOT_MS = 240_000;

async function scenario(editor: Editor): Promise<void> {
  await editor.trust();
  step("run");
  await editor.command("BBox: Run agent in microVM");
  await editor.pick("writer");
  await editor.terminalShows("all is written", BOOT_MS);
  await editor.sourceControl();
  await groups(editor);
  await accept(editor);
  await edit(editor);
  await refuse(editor);
  await conflict(editor);
  await acceptTheRest(editor);
  await apply(editor);
  await sessions(editor);
}

async function groups(editor: Editor): Promise<void> {
  step("see what needs a look");
  const expected = [
    ["Needs a Look", "tasks.json"],
    ["Changes", "NOTES.md"],
    ["Changes", "legacy_import.py"],
    ["Changes", "money.py"],
    ["Changes", "report.py"],
  ] as const;
  for (const [group, file] of expected) {
    await until(`${file} in ${group}`, async () => when(await isIn(editor, group, file)), BOOT_MS);
  }
}

async function accept(editor: Editor): Promise<void> {
  step("accept a hunk by its key");
  await editor.change("report.py").click();
  await editor.lensAt("start", "Accept");
  await editor.page.keyboard.press("Control+Alt+Enter");
  await editor.lensAt("start", "Accepted");
}

async function edit(editor: Editor): Promise<void> {
  step("edit what is applied");
  await (await editor.lensAt("end", "Edit")).click();
  await editor.tab("report.py (yours ↔ to be applied)");
  await editor.typeAtEnd("# kept by a person");
  await editor.shot("vscode-edit");
  await editor.page.keyboard.press("Control+S");
  await editor.change("report.py").click();
  await editor.lensAt("start", "Edited");
  assert.ok(await isIn(editor, "Accepted", "report.py"));
}

async function refuse(editor: Editor): Promise<void> {
  step("refuse a file");
  await editor.rowAction("legacy_import.py", "Reject the file");
  await until("the refused file", async () =>
    when(await isIn(editor, "Rejected", "legacy_import.py")),
  );
}

async function conflict(editor: Editor): Promise<void> {
  step("the user edits the same line");
  await until("the conflict", async () => when(await isIn(editor, "Needs a Look", "money.py")));
  await editor.change("money.py").click();
  const title = "You have changed the same lines: bring both together";
  await (await editor.lensAt("start", title)).click();
  const merge = editor.page.locator(".merge-editor");
  const take = merge.locator("a", { hasText: "Accept writer" });
  await take.waitFor();
  await editor.shot("vscode-merge");
  await take.click();
  await editor.command("Merge Editor: Complete Merge");
  assert.match(await editor.dialog("Use It"), /the merged text of src\/tally\/money\.py/);
  await until("the merged file", async () => when(await isIn(editor, "Accepted", "money.py")));
}

async function acceptTheRest(editor: Editor): Promise<void> {
  step("accept the rest");
  await editor.command("BBox: Accept all ordinary changes");
  await editor.notification("To be decided one by one: .vscode/tasks.json");
  await until("the new file", async () => when(await isIn(editor, "Accepted", "NOTES.md")));
  await editor.shot("vscode-decided");
}

async function apply(editor: Editor): Promise<void> {
  step("apply");
  await editor.command("BBox: Apply accepted changes");
  const plan = await editor.dialog("Apply");
  assert.match(plan, /write NOTES\.md/);
  const applied = await editor.notification("3 changes applied.");
  step("all is applied");
  await editor.press(applied, "Undo");
  await editor.notification("3 changes taken back.");
  step("all is taken back");
}

async function sessions(editor: Editor): Promise<void> {
  step("see the session in its view");
  await editor.activity("BBox");
  const row = editor.page.locator(".pane-body .monaco-list-row", { hasText: "tally · works" });
  await row.waitFor();
  await editor.shot("vscode-sessions");
}

/** Whether a file is in a group of Source Control. */
async function isIn(editor: Editor, group: string, file: string): Promise<boolean> {
  const rows = await editor.changeRows();
  const isGroup = (row: string): boolean =>
    /^(?:Needs a Look|Changes|Accepted|Rejected)\d*$/.test(row);
  const begin = rows.findIndex((row) => isGroup(row) && row.startsWith(group));
  const length = rows.slice(begin + 1).findIndex(isGroup);
  const end = length < 0 ? rows.length : begin + 1 + length;
  return begin >= 0 && rows.slice(begin + 1, end).some((row) => row.startsWith(file));
}

await play(scenario);
