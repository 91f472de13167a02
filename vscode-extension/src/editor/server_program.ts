// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { bundledProgram, installBundled, type Bundle } from "../server/bundled.js";
import { locateServer, type Places } from "../server/locate.js";

/** Where this window's server comes from. */
export class ServerProgram {
  readonly #bundle: Bundle;

  constructor(extensionUri: vscode.Uri, storageUri: vscode.Uri) {
    this.#bundle = {
      directory: vscode.Uri.joinPath(extensionUri, "bundled").fsPath,
      storage: storageUri.fsPath,
    };
  }

  async locate(): Promise<string> {
    return await locateServer(await this.#places());
  }

  /** Install the extension's own copy. */
  async install(): Promise<void> {
    const places = await this.#places();
    const location = vscode.ProgressLocation.Notification;
    await vscode.window.withProgress({ location, title: "Installing bbox-server…" }, () =>
      installBundled(this.#bundle, places),
    );
    await vscode.window.showInformationMessage("bbox-server is installed.");
  }

  async #places(): Promise<Places> {
    const folders = vscode.workspace.workspaceFolders ?? [];
    return {
      setting: vscode.workspace.getConfiguration("bbox").get<string>("serverPath", ""),
      searchPath: process.env["PATH"] ?? "",
      bundled: await bundledProgram(this.#bundle),
      workspaceRoots: folders.map((folder) => folder.uri.fsPath),
    };
  }
}
