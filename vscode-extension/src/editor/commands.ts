// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { COMMANDS, type CommandHandlers } from "./command_names.js";
import { decisionCommands } from "./decision_commands.js";
import { sessionCommands } from "./session_commands.js";
import type { Workbench } from "./workbench.js";

/** Register every command of the manifest. */
export function registerCommands(workbench: Workbench, version: string): vscode.Disposable {
  const handlers: CommandHandlers = {
    ...sessionCommands(workbench, version),
    ...decisionCommands(workbench),
  };
  return vscode.Disposable.from(
    ...Object.entries(COMMANDS).map(([name, command]) =>
      vscode.commands.registerCommand(command, async (...argument: readonly unknown[]) => {
        try {
          await handlers[name as keyof typeof COMMANDS](...argument);
        } catch (error) {
          workbench.fail(error);
        }
      }),
    ),
  );
}
