// SPDX-License-Identifier: Apache-2.0
// Run an agent, watch its changes come, accept one hunk, reject another, reload, apply.
import assert from "node:assert/strict";

import type { Editor } from "./editor.ts";
import { given, play, step } from "./scenario.ts";
import { until } from "./until.ts";

const BOOT_MS = 240_000;
const WORK_MS = 240_000;
const PROMPT = given("PROMPT");

async function scenario(editor: Editor): Promise<void> {
  await start(editor);
  await decide(editor);
  await reload(editor);
  await finish(editor);
  await apply(editor);
  await end(editor);
}

async function start(editor: Editor): Promise<void> {
  step("trust");
  const command = "BBox: Run agent in microVM";
  assert.ok(!(await editor.hasCommand(command)), "offered in a folder that is not trusted");
  await editor.trust();
  step("run");
  await editor.command(command);
  await editor.pick("codex");
  await editor.terminalShows("▸");
  await editor.terminalShows("Starting the microVM", BOOT_MS);
  await editor.shot("vscode-starting");
  step("type into the terminal");
  await editor.terminalShows("OpenAI Codex", BOOT_MS);
  await editor.type(PROMPT);
  await editor.terminalShows(PROMPT.slice(0, 20));
  // Codex takes an Enter that follows quickly for a part of what was pasted.
  const ask = async (): Promise<true> => {
    await editor.page.keyboard.press("Enter");
    await editor.terminalShows("I'll look at the project first", 5_000);
    return true;
  };
  await until("the agent's answer", ask, BOOT_MS);
}

async function decide(editor: Editor): Promise<void> {
  step("see a change while the agent works");
  await editor.sourceControl();
  await editor.change("money.py").waitFor({ timeout: WORK_MS });
  step("open its diff");
  await editor.change("money.py").click();
  const first = await editor.lensAt("start", "Accept");
  await editor.shot("vscode-change");
  step("accept the first hunk");
  await first.click();
  await editor.lensAt("start", "Accepted");
  step("reject the second hunk");
  await (await editor.lensAt("end", "Reject")).click();
  await editor.lensAt("end", "Rejected");
  await editor.shot("vscode-review");
}

async function reload(editor: Editor): Promise<void> {
  step("reload the window");
  await editor.page.reload();
  await editor.ready();
  await editor.terminalShows("I'll keep them as decimals", WORK_MS);
  await editor.sourceControl();
  await editor.change("money.py").click();
  await editor.lensAt("start", "Accepted");
  await editor.lensAt("end", "Rejected");
}

async function finish(editor: Editor): Promise<void> {
  step("the agent may go on");
  await editor.change("report.py").waitFor({ timeout: WORK_MS });
  await editor.terminalShows("Done. Amounts are decimals now", WORK_MS);
}

async function apply(editor: Editor): Promise<void> {
  step("accept the new test as a whole");
  await editor.change("test_money.py").click();
  await (await editor.lensAt("start", "Accept file")).click();
  await editor.lensAt("start", "Accepted");
  step("apply");
  await editor.command("BBox: Apply accepted changes");
  const plan = await editor.dialog("Apply");
  assert.match(plan, /write src\/tally\/money\.py/);
  assert.match(plan, /write tests\/test_money\.py/);
  await editor.notification("2 changes applied.");
  await editor.shot("vscode-applied");
  const rows = await until("the applied changes to go", async () => {
    const found = await editor.changeRows();
    return found.some((row) => row.startsWith("Accepted")) ? undefined : found;
  });
  assert.ok(!rows.some((row) => row.includes("test_money.py")), rows.join("\n"));
}

async function end(editor: Editor): Promise<void> {
  step("end the agent");
  await editor.command("BBox: Show the agent's terminal");
  await editor.type("/quit");
  await until("the agent's end", async () => {
    await editor.page.keyboard.press("Enter");
    await editor.terminalShows("Its changes are in Source Control.", 10_000);
    return true;
  });
  const lines = (await editor.terminalScreen()).split("\n").filter((line) => line.trim() !== "");
  assert.match(lines.at(-1) ?? "", /▸ codex has ended\. Its changes are in Source Control\./);
  await editor.shot("vscode-ended");
}

await play(scenario);
