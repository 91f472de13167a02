// SPDX-License-Identifier: Apache-2.0
import type * as vscode from "vscode";

import { registerCommands } from "./editor/commands.js";
import { Memory } from "./editor/memory.js";
import { ServerProgram } from "./editor/server_program.js";
import { Workbench } from "./editor/workbench.js";

let open: Workbench | undefined;

/** Called in trusted workspaces only (the manifest says so). The server starts on first use. */
export function activate(context: vscode.ExtensionContext): void {
  const program = new ServerProgram(context.extensionUri, context.globalStorageUri);
  const workbench = new Workbench(new Memory(context.workspaceState), program);
  const { version } = context.extension.packageJSON as { readonly version: string };
  open = workbench;
  context.subscriptions.push(registerCommands(workbench, version));
  workbench.restore().catch((error: unknown) => {
    workbench.fail(error);
  });
}

export async function deactivate(): Promise<void> {
  await open?.close();
}
