// SPDX-License-Identifier: Apache-2.0
import { env, exit, stdout } from "node:process";

import { Editor } from "./editor.ts";

/** A value that the test in Python hands over. */
export function given(name: string): string {
  const value = env[name];
  if (value === undefined) {
    throw new Error(`${name} is not in the environment`);
  }
  return value;
}

/** Tell where we are. The test in Python listens, and may let the agent go on. */
export function step(text: string): void {
  stdout.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
}

/** Play a scenario in a new editor; shows what there was when it fails. */
export async function play(scenario: (editor: Editor) => Promise<void>): Promise<never> {
  const editor = await Editor.open({
    url: given("URL"),
    shots: given("SHOTS"),
    program: given("CHROMIUM"),
  });
  let code = 1;
  try {
    await editor.ready();
    await scenario(editor);
    step("done");
    code = 0;
  } catch (error) {
    step(`failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    await editor.shot("failed");
    step(`changes: ${JSON.stringify(await editor.changeRows())}`);
    step(`notifications: ${JSON.stringify(await editor.notifications())}`);
    step(`terminal:\n${await editor.terminalScreen()}`);
  } finally {
    await editor.close();
  }
  exit(code);
}
