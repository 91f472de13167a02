// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { NO_CHANGES, type ChangeList } from "../review/change_list.js";
import type { Server } from "../server/server.js";
import {
  endingLine,
  isOver,
  isReviewable,
  reduce,
  type SessionView,
} from "../session/session_view.js";
import type {
  ChangeMessage,
  EventMessage,
  TerminalData,
  TerminalEnded,
  TerminalSizeMessage,
} from "../wire/messages.js";
import { AgentTerminal, type TerminalOwner } from "./agent_terminal.js";

/** What a session's surroundings do about it. */
export interface SessionListener {
  readonly changed: (session: Session) => void;
  readonly listed: (session: Session, before: ChangeList) => void;
  readonly failed: (error: unknown) => void;
}

/** One session in this window: its state, its terminal, its changes. */
export class Session implements TerminalOwner, vscode.Disposable {
  readonly #server: Server;
  readonly #listener: SessionListener;
  #view: SessionView;
  #terminal: AgentTerminal;
  /** The server's name of our view of the terminal. */
  #viewName: string | undefined;
  #isOpening = false;
  #list: ChangeList = NO_CHANGES;
  #listing: Promise<void> | undefined;
  #isListStale = false;
  #hasEnded = false;
  #hasSaidEnd = false;

  constructor(
    server: Server,
    view: SessionView,
    terminal: AgentTerminal,
    listener: SessionListener,
  ) {
    this.#server = server;
    this.#view = view;
    this.#terminal = terminal;
    this.#listener = listener;
    terminal.connect(this);
  }

  get view(): SessionView {
    return this.#view;
  }

  get list(): ChangeList {
    return this.#list;
  }

  get terminal(): AgentTerminal {
    return this.#terminal;
  }

  /** Hear of what happens, from where we are: after the start, and after the server was lost. */
  async follow(): Promise<void> {
    const session = this.#view.id;
    await this.#server.request("bbox/subscribe", { session, fromSeq: this.#view.nextSeq });
    await this.#openTerminal();
    this.refresh();
  }

  /** Show the terminal, in a new panel if the user has closed the last one. */
  async showTerminal(replacement: () => AgentTerminal): Promise<void> {
    if (this.#terminal.isClosed) {
      this.#terminal.dispose();
      this.#terminal = replacement();
      this.#terminal.connect(this);
      this.#hasEnded = false;
      this.#hasSaidEnd = false;
      this.#terminal.show();
      await this.#openTerminal();
      return;
    }
    this.#terminal.show();
  }

  take(event: EventMessage): void {
    const step = reduce(this.#view, event);
    if (step.view === this.#view) {
      return;
    }
    this.#view = step.view;
    if (step.line !== undefined && !this.#hasEnded) {
      this.#terminal.say(step.line);
    }
    if (step.areChangesStale) {
      this.refresh();
    }
    this.#sayEnd();
    this.#listener.changed(this);
  }

  takeData(data: TerminalData): void {
    // The first output may overtake the answer that names our view.
    if (data.terminal === this.#viewName || this.#isOpening) {
      this.#terminal.write(data);
    }
  }

  takeEnd(ended: TerminalEnded): void {
    if (ended.terminal === this.#viewName || this.#isOpening) {
      this.#hasEnded = true;
      this.#sayEnd();
    }
  }

  /** List the changes again; while that goes on, at most one more time is noted. */
  refresh(): void {
    if (!isReviewable(this.#view.state)) {
      return;
    }
    this.#isListStale = true;
    this.#listing ??= this.#relist().finally(() => {
      this.#listing = undefined;
    });
    this.#listing.catch(this.#listener.failed);
  }

  type(data: string): void {
    this.#tell((terminal) => this.#server.request("bbox/terminal/input", { ...terminal, data }));
  }

  resize(size: TerminalSizeMessage): void {
    this.#tell((terminal) => this.#server.request("bbox/terminal/resize", { ...terminal, size }));
  }

  acknowledge(byte: number): void {
    this.#tell((terminal) => this.#server.request("bbox/terminal/ack", { ...terminal, byte }));
  }

  closed(): void {
    this.#tell((terminal) => this.#server.request("bbox/terminal/close", terminal));
    this.#viewName = undefined;
  }

  dispose(): void {
    this.#terminal.dispose();
  }

  #tell(send: (terminal: { session: string; terminal: string }) => Promise<unknown>): void {
    if (this.#viewName !== undefined) {
      send({ session: this.#view.id, terminal: this.#viewName }).catch(this.#listener.failed);
    }
  }

  async #openTerminal(): Promise<void> {
    this.#viewName = undefined;
    if (this.#terminal.isClosed) {
      return;
    }
    const size = await this.#terminal.size();
    this.#isOpening = true;
    try {
      const opened = await this.#server.request("bbox/terminal/open", {
        session: this.#view.id,
        fromByte: this.#terminal.nextByte,
        size,
      });
      this.#viewName = opened.terminal;
    } finally {
      this.#isOpening = false;
    }
  }

  #sayEnd(): void {
    if (this.#hasEnded && !this.#hasSaidEnd && isOver(this.#view.state)) {
      this.#hasSaidEnd = true;
      this.#terminal.say(endingLine(this.#view));
    }
  }

  async #relist(): Promise<void> {
    while (this.#isListStale) {
      this.#isListStale = false;
      const before = this.#list;
      this.#list = await this.#allChanges();
      this.#listener.listed(this, before);
    }
  }

  async #allChanges(): Promise<ChangeList> {
    const changes: ChangeMessage[] = [];
    let cursor: string | undefined;
    for (;;) {
      const page = await this.#server.request("bbox/changes/list", {
        session: this.#view.id,
        withHunks: true,
        ...(cursor === undefined ? {} : { cursor }),
      });
      changes.push(...page.changes);
      if (page.nextCursor === undefined) {
        return { revision: page.revision, changes };
      }
      cursor = page.nextCursor;
    }
  }
}
