// SPDX-License-Identifier: Apache-2.0
// The setting names a server that is not there: the user is told, and led to the setting.
import type { Editor } from "./editor.ts";
import { play, step } from "./scenario.ts";
import { exactly } from "./until.ts";

async function scenario(editor: Editor): Promise<void> {
  await editor.trust();
  step("run an agent");
  await editor.command("BBox: Run agent in microVM");
  const told = await editor.notification("Correct the setting bbox.serverPath");
  await editor.shot("vscode-server-missing");
  step("go to the setting");
  await told.locator(".monaco-button", { hasText: exactly("Open Settings") }).click();
  await editor.page
    .locator(".settings-editor .setting-item-label", { hasText: "Server Path" })
    .waitFor();
}

await play(scenario);
