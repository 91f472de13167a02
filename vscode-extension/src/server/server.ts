// SPDX-License-Identifier: Apache-2.0
import type { MessageConnection } from "vscode-jsonrpc/node";

import type { Notifications, Requests } from "../wire/methods.js";
import { Restarts } from "./restarts.js";
import { isDisposal, ServerProcess } from "./server_process.js";

/** What the server tells unasked. */
export interface ServerListener {
  readonly event: (event: Notifications["bbox/event"]) => void;
  readonly terminalData: (data: Notifications["bbox/terminal/data"]) => void;
  readonly terminalEnded: (ended: Notifications["bbox/terminal/ended"]) => void;
  /** A session's host is gone, and its microVM with it; any request on it starts another host. */
  readonly sessionLost: (lost: Notifications["bbox/session/lost"]) => void;
  /**
   * The process is gone, and not because we ended it. Sessions live on in their hosts.
   *
   * `mayReturn` is false if it was started again too often already.
   */
  readonly lost: (reason: string, mayReturn: boolean) => void;
  /** A line for the log. */
  readonly log: (line: string) => void;
}

/** bbox-server: one process, started on first use, again when it is asked after it was lost. */
export class Server {
  readonly #locate: () => Promise<string>;
  readonly #listener: ServerListener;
  readonly #restarts = new Restarts();
  #process: Promise<ServerProcess> | undefined;
  #isDisposed = false;

  constructor(locate: () => Promise<string>, listener: ServerListener) {
    this.#locate = locate;
    this.#listener = listener;
  }

  /** Ask; the server is started if there is none. */
  async request<M extends keyof Requests>(
    method: M,
    params: Requests[M]["params"],
  ): Promise<Requests[M]["result"]> {
    const { connection, ended } = await this.#running();
    try {
      return await connection.sendRequest<Requests[M]["result"]>(method, params);
    } catch (error) {
      throw isDisposal(error) ? new Error(await ended) : error;
    }
  }

  /** Say goodbye; the sessions go on. */
  async dispose(): Promise<void> {
    this.#isDisposed = true;
    try {
      await (await this.#process)?.end();
    } catch {
      // It never ran.
    }
  }

  async #running(): Promise<ServerProcess> {
    if (this.#isDisposed) {
      throw new Error("This window is closing.");
    }
    this.#process ??= this.#start();
    try {
      return await this.#process;
    } catch (error) {
      this.#process = undefined;
      throw error;
    }
  }

  async #start(): Promise<ServerProcess> {
    const program = await this.#locate();
    this.#listener.log(`Starting ${program}`);
    const started = new ServerProcess(program, this.#listener.log);
    this.#hear(started.connection);
    await started.introduce();
    started.ended.then((reason) => {
      this.#forget(reason);
    }, this.#listener.log);
    return started;
  }

  #hear(connection: MessageConnection): void {
    connection.onNotification("bbox/event", this.#listener.event);
    connection.onNotification("bbox/terminal/data", this.#listener.terminalData);
    connection.onNotification("bbox/terminal/ended", this.#listener.terminalEnded);
    connection.onNotification("bbox/session/lost", this.#listener.sessionLost);
  }

  #forget(reason: string): void {
    this.#process = undefined;
    this.#listener.log(reason);
    if (!this.#isDisposed) {
      this.#listener.lost(reason, this.#restarts.mayRestart(Date.now()));
    }
  }
}
