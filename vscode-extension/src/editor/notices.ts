// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { explain } from "../server/failure.js";
import { ServerNotFound } from "../server/locate.js";

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

  /** An agent has ended, perhaps long after the user has turned to something else. */
  finished(agent: string, undecided: number): void {
    this.#log.info(`${agent} has ended; ${undecided} to decide`);
    if (undecided > 0) {
      const changes = undecided === 1 ? "1 change waits" : `${undecided} changes wait`;
      this.#suggest(`${agent} has ended. ${changes} for your review.`, "Review", showChanges);
    }
  }

  /** An agent waits for its user. */
  called(agent: string, show: () => Promise<void>): void {
    this.#suggest(`${agent} calls for you.`, "Show Its Terminal", show);
  }

  /** A failure, with the way to its remedy. */
  fail(error: unknown): void {
    if (error instanceof ServerNotFound) {
      this.offer(error, "Open Settings", () => openSetting("bbox.serverPath"));
    } else {
      this.offer(error, "Show Log", () => {
        this.showLog();
        return Promise.resolve();
      });
    }
  }

  /** A failure with a button for what can be done about it. */
  offer(error: unknown, button: string, remedy: () => Promise<void>): void {
    const text = explain(error);
    this.#log.error(text);
    vscode.window
      .showErrorMessage(text, button)
      .then((answer) => (answer === button ? remedy() : undefined))
      .then(undefined, (failure: unknown) => {
        this.fail(failure);
      });
  }

  #suggest(text: string, button: string, act: () => Promise<void>): void {
    vscode.window
      .showInformationMessage(text, button)
      .then((answer) => (answer === button ? act() : undefined))
      .then(undefined, (failure: unknown) => {
        this.fail(failure);
      });
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

/** Source Control, where the changes are. */
export async function showChanges(): Promise<void> {
  await vscode.commands.executeCommand("workbench.view.scm");
}
