// SPDX-License-Identifier: Apache-2.0
// There is no server: the one that comes with the extension is installed, and works.
import type { Editor } from "./editor.ts";
import { play, step } from "./scenario.ts";
import { exactly } from "./until.ts";

const INSTALL_MS = 240_000;
const RUN = "BBox: Run agent in microVM";

async function scenario(editor: Editor): Promise<void> {
  await editor.trust();
  await editor.command(RUN);
  const told = await editor.notification("bbox-server is not on the PATH");
  step("install it");
  await told.locator(".monaco-button", { hasText: exactly("Install") }).click();
  await editor.notification("bbox-server is installed.", INSTALL_MS);
  step("it answers");
  await editor.command(RUN);
  await editor.offers("codex");
}

await play(scenario);
