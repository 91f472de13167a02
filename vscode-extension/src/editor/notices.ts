// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { explain } from "../server/failure.js";
import { ServerNotFound } from "../server/locate.js";

const OPEN_SETTINGS = "Open Settings";
const SHOW_LOG = "Show Log";

/** What the user is told beside the terminal, and the log of it. */
export class Notices implements vscode.Disposable {
  readonly #log = vscode.window.createOutputChannel("BBox", { log: true });

  log(line: string): void {
    this.#log.info(line);
  }

  showLog(): void {
    this.#log.show(true);
  }

  warn(text: string): void {
    this.#log.warn(text);
    vscode.window.showWarningMessage(text).then(undefined, () => undefined);
  }

  /** A failure, with the way to its remedy. */
  fail(error: unknown): void {
    const text = explain(error);
    this.#log.error(text);
    const button = error instanceof ServerNotFound ? OPEN_SETTINGS : SHOW_LOG;
    vscode.window.showErrorMessage(text, button).then(
      async (answer) => {
        if (answer === OPEN_SETTINGS) {
          await openSetting("bbox.serverPath");
        } else if (answer === SHOW_LOG) {
          this.showLog();
        }
      },
      () => undefined,
    );
  }

  dispose(): void {
    this.#log.dispose();
  }
}

/** A setting of the machine: in a remote window it is in a part of its own. */
async function openSetting(name: string): Promise<void> {
  const isRemote = vscode.env.remoteName !== undefined;
  const command = isRemote ? "openRemoteSettings" : "openSettings";
  await vscode.commands.executeCommand(`workbench.action.${command}`, { query: name });
}
