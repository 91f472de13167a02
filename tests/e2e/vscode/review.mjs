// SPDX-License-Identifier: Apache-2.0
// Run an agent, watch its changes come, accept one hunk, reject another, reload, apply.
import { Editor, until } from "./editor.mjs";

const { URL: url, SHOTS: shots, CHROMIUM: program, PROMPT: prompt } = process.env;
const BOOT_MS = 180_000;
const WORK_MS = 120_000;

function step(text) {
  process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
}

async function run(editor) {
  step("trust");
  await editor.ready();
  if (await editor.hasCommand("BBox: Run agent in microVM")) {
    throw new Error("an agent is offered in a folder that is not trusted");
  }
  await editor.trust();
  await editor.command("View: Close All Editors");
  step("run");
  await editor.command("BBox: Run agent in microVM");
  await editor.pick("codex");
  await editor.terminalShows("▸");
  await editor.shot("vscode-starting");
  step("wait for the agent");
  await editor.terminalShows("OpenAI Codex", BOOT_MS);
  await editor.type(prompt);
  await editor.terminalShows(prompt.slice(0, 20));
  // Codex takes an Enter that follows quickly for a part of what was pasted.
  await until("the agent's answer", async () => {
    await editor.page.keyboard.press("Enter");
    await editor.terminalShows("I'll look at the project first", 5_000);
    return true;
  });
}

async function decide(editor) {
  step("wait for a live change");
  await editor.sourceControl();
  await editor.change("money.py").first().waitFor({ timeout: WORK_MS });
  await editor.change("report.py").first().waitFor({ timeout: WORK_MS });
  step("open the diff");
  await editor.change("money.py").first().click();
  await editor.lens("Accept");
  await editor.shot("vscode-review");
  step("accept the first hunk, reject the second");
  await (await editor.lens("Accept")).click();
  await editor.lens("✓ Accepted");
  await (await editor.lens("Reject")).click();
  await editor.lens("✗ Rejected");
}

async function reload(editor) {
  step("reload the window");
  await editor.terminalShows("Done. Amounts are decimals now", WORK_MS);
  await editor.page.reload();
  await editor.ready();
  await editor.terminalShows("Done. Amounts are decimals now", WORK_MS);
  await editor.sourceControl();
  await editor.change("money.py").first().click();
  await editor.lens("✓ Accepted");
  await editor.lens("✗ Rejected");
}

async function apply(editor) {
  step("accept the test, apply");
  await editor.change("test_money.py").first().click();
  await (await editor.lens("Accept file")).click();
  await editor.lens("✓ Accepted");
  await editor.shot("vscode-decided");
  await editor.command("BBox: Apply accepted changes");
  await editor.notification("2 changes applied.");
  await editor.shot("vscode-applied");
  const rows = await until("money.py to leave the accepted ones", async () => {
    const found = await editor.changes();
    return found.some((row) => row.includes("Accepted")) ? false : found;
  });
  step(JSON.stringify(rows));
}

const editor = await Editor.open({ url, shots, program });
try {
  for (const part of [run, decide, reload, apply]) {
    await part(editor);
  }
  step("done");
} catch (error) {
  await editor.shot("failed");
  await editor.command("Notifications: Show Notifications").catch(() => undefined);
  step(`notifications: ${JSON.stringify(await editor.notifications())}`);
  step(`terminal:\n${await editor.terminalText()}`);
  step(`changes: ${JSON.stringify(await editor.changes())}`);
  step(String(error));
  process.exitCode = 1;
} finally {
  await editor.close();
}
