// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { contextsOf, findingLines } from "../session/machine.js";
import type { Server } from "../server/server.js";

/** Look whether agents can run here; the walkthrough's steps follow what is found. */
export async function checkMachine(server: Server): Promise<void> {
  const location = vscode.ProgressLocation.Notification;
  const title = "BBox: looking at this machine…";
  const found = await vscode.window.withProgress({ location, title }, () =>
    server.request("bbox/doctor", {}),
  );
  for (const [name, value] of contextsOf(found)) {
    await vscode.commands.executeCommand("setContext", name, value);
  }
  const detail = findingLines(found).join("\n");
  const options = { modal: true, detail };
  if (found.ready) {
    await vscode.window.showInformationMessage("Agents can run on this machine.", options);
  } else {
    await vscode.window.showWarningMessage("Agents can't run on this machine yet.", options);
  }
}
