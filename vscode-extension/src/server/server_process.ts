// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { homedir } from "node:os";

import {
  createMessageConnection,
  ErrorCodes,
  ResponseError,
  StreamMessageReader,
  StreamMessageWriter,
  type MessageConnection,
} from "vscode-jsonrpc/node";

import { introduce } from "./introduction.js";

const SHUTDOWN_MS = 2000;

/** Whether a request was not answered because the process has ended. */
export function isDisposal(error: unknown): boolean {
  return error instanceof ResponseError && error.code === ErrorCodes.PendingResponseRejected;
}

/** One running bbox-server, and the connection to it. */
export class ServerProcess {
  readonly connection: MessageConnection;
  /** Fulfilled when nothing can be said to it any more, with the reason. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcessWithoutNullStreams;
  #lastWords = "";

  constructor(program: string, log: (line: string) => void) {
    // Not in the workspace: nothing in it may have a say in how the server starts.
    this.#child = spawn(program, ["--stdio"], { cwd: homedir(), stdio: "pipe" });
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#lastWords = text.trim().split("\n").at(-1) ?? "";
      log(text.trimEnd());
    });
    this.connection = createMessageConnection(
      new StreamMessageReader(this.#child.stdout),
      new StreamMessageWriter(this.#child.stdin),
    );
    this.connection.onError(([error]) => {
      log(error.message);
    });
    // One that can't be heard any more is of no use.
    this.connection.onClose(() => this.#child.kill());
    this.ended = this.#end();
  }

  /** Start to talk. Rejected if the program can't be started, ends, or is of another version. */
  async introduce(): Promise<void> {
    this.connection.listen();
    const refusal = await Promise.race([this.ended, this.#introduced()]);
    if (refusal !== undefined) {
      this.#child.kill();
      throw new Error(refusal);
    }
  }

  /** Say goodbye; told by force if it doesn't listen. */
  async end(): Promise<void> {
    const timer = setTimeout(() => this.#child.kill(), SHUTDOWN_MS);
    try {
      await this.connection.sendRequest("shutdown");
      await this.connection.sendNotification("exit");
    } catch {
      this.#child.kill();
    }
    await this.ended;
    clearTimeout(timer);
  }

  async #introduced(): Promise<string | undefined> {
    try {
      return await introduce(this.connection);
    } catch (error) {
      if (error instanceof ResponseError && !isDisposal(error)) {
        return error.message;
      }
      // What broke the connection off knows the reason.
      this.#child.kill();
      return await this.ended;
    }
  }

  async #end(): Promise<string> {
    const reason = await new Promise<string>((resolve) => {
      this.#child.once("error", (error) => {
        resolve(`bbox-server can't be started: ${error.message}`);
      });
      // What it wrote last has been read by then, unlike on exit.
      this.#child.once("close", (code, signal) => {
        const words = this.#lastWords === "" ? "" : ` It said: ${this.#lastWords}`;
        resolve(`bbox-server ended with ${signal ?? `code ${String(code)}`}.${words}`);
      });
    });
    // Rejects what still waits for an answer.
    this.connection.dispose();
    return reason;
  }
}
