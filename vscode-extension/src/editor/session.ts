// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import {
  changeByPath,
  isSameList,
  NO_CHANGES,
  withReviewed,
  type ChangeList,
} from "../review/change_list.js";
import { pathsBelow } from "../review/paths.js";
import type { Server } from "../server/server.js";
import { endingLines } from "../session/ending.js";
import { Latest } from "../session/latest.js";
import {
  isEnd,
  isOver,
  isReviewable,
  reduce,
  type SessionView,
  type Step,
} from "../session/session_view.js";
import type {
  ChangeMessage,
  EventMessage,
  QuestionMessage,
  TerminalData,
  TerminalEnded,
  TerminalSizeMessage,
} from "../wire/messages.js";
import type { AgentTerminal, TerminalOwner } from "./agent_terminal.js";

/** What a session's surroundings do about it. */
export interface SessionListener {
  /** It has another state. */
  readonly changed: (session: Session) => void;
  /** The agent has ended while this window was there; its changes are listed. */
  readonly ended: (session: Session) => void;
  /** The agent calls for the user, who looks elsewhere. */
  readonly called: (session: Session) => void;
  readonly listed: (session: Session, before: ChangeList) => void;
  readonly warned: (text: string) => void;
  readonly asked: (session: Session, question: QuestionMessage) => void;
  readonly answered: (question: QuestionMessage) => void;
  /** Its events are heard from now on; what waited before is in lists. */
  readonly followed: (session: Session) => Promise<void>;
  readonly failed: (error: unknown) => void;
}

/** One session in this window: its state, its terminal, its changes. */
export class Session implements TerminalOwner, vscode.Disposable {
  readonly #server: Server;
  readonly #listener: SessionListener;
  readonly #listing: Latest;
  #view: SessionView;
  #terminal: AgentTerminal;
  /** The server's name of our view of the terminal. */
  #viewName: string | undefined;
  #isOpening = false;
  #list: ChangeList = NO_CHANGES;
  #hasEnded = false;
  #hasSaidEnd = false;
  #isEndNews = false;
  #hasCalled = false;
  #isDisposed = false;

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
    this.#listing = new Latest(() => this.#relist(), listener.failed);
    terminal.connect(this);
  }

  get view(): SessionView {
    return this.#view;
  }

  /** The folder that the agent works on a copy of. */
  get root(): vscode.Uri {
    return vscode.Uri.file(this.#view.workspace);
  }

  get list(): ChangeList {
    return this.#list;
  }

  /** Whether this is a file of the workspace that the agent has changed in its copy. */
  hasChanged(uri: vscode.Uri): boolean {
    const [path] = pathsBelow(this.root.path, [uri.path]);
    return (
      uri.scheme === "file" && path !== undefined && changeByPath(this.#list, path) !== undefined
    );
  }

  /** Hear of what happens, from where we are: after the start, and after the server was lost. */
  async follow(): Promise<void> {
    const session = this.#view.id;
    const fromSeq = this.#view.nextSeq;
    await this.#server.request("bbox/subscribe", { session, fromSeq, answersNetwork: true });
    await this.#openTerminal();
    this.refresh();
    if (!isOver(this.#view.state)) {
      await this.#listener.followed(this);
    }
  }

  /** End the agent and its microVM; what it changed stays for review. */
  async stop(): Promise<void> {
    const location = vscode.ProgressLocation.Notification;
    await vscode.window.withProgress({ location, title: `Stopping ${this.#view.agent}…` }, () =>
      this.#server.request("bbox/sessions/stop", { session: this.#view.id }),
    );
  }

  /** Show the terminal, in a new panel if the user has closed the last one. */
  async showTerminal(replacement: () => AgentTerminal): Promise<void> {
    if (!this.#terminal.isClosed) {
      this.#terminal.show("take");
      return;
    }
    this.#terminal.dispose();
    this.#terminal = replacement();
    this.#terminal.connect(this);
    this.#hasEnded = false;
    this.#hasSaidEnd = false;
    this.#terminal.show("take");
    await this.#openTerminal();
  }

  take(event: EventMessage): void {
    const step = reduce(this.#view, event);
    if (step.view === this.#view) {
      return;
    }
    const before = this.#view;
    this.#view = step.view;
    this.#isEndNews ||= isEnd(before, step.view) && event.ts >= before.attachedAt;
    this.#tellUser(step);
    if (step.areChangesStale) {
      this.refresh();
    }
    this.#sayEnd();
    if (before.state !== step.view.state) {
      this.#listener.changed(this);
    }
  }

  #tellUser(step: Step): void {
    if (step.line !== undefined && !this.#hasEnded) {
      this.#terminal.say(step.line);
    }
    if (step.notice !== undefined) {
      this.#listener.warned(step.notice);
    }
    if (step.question !== undefined) {
      this.#listener.asked(this, step.question);
    }
    if (step.answered !== undefined) {
      this.#listener.answered(step.answered);
    }
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

  /** Show decisions as soon as they are made: a click on a mark that is drawn again is lost. */
  adopt(reviewed: ChangeList): void {
    this.#show(withReviewed(this.#list, reviewed));
  }

  /** List the changes again. */
  refresh(): void {
    if (isReviewable(this.#view.state) && !this.#isDisposed) {
      this.#listing.ask();
    }
  }

  type(data: string): void {
    this.#hasCalled = false;
    this.#tell((terminal) => this.#server.request("bbox/terminal/input", { ...terminal, data }));
  }

  /** The terminal's bell: once until the user answers, and only if it is not seen. */
  ring(): void {
    if (!this.#hasCalled && !this.#terminal.isSeen) {
      this.#hasCalled = true;
      this.#listener.called(this);
    }
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

  /** Ends what this window shows of the session; the session goes on. */
  dispose(): void {
    this.#isDisposed = true;
    this.#terminal.dispose();
  }

  #tell(send: (terminal: { session: string; terminal: string }) => Promise<unknown>): void {
    if (this.#viewName !== undefined) {
      send({ session: this.#view.id, terminal: this.#viewName }).catch(this.#listener.failed);
    }
  }

  async #openTerminal(): Promise<void> {
    this.#viewName = undefined;
    const size = await this.#terminal.size();
    if (this.#terminal.isClosed) {
      return;
    }
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
      this.#tellEnd().catch(this.#listener.failed);
    }
  }

  async #tellEnd(): Promise<void> {
    // The events have neither the whole failure nor its remedy.
    const session = await this.#server.request("bbox/sessions/get", { session: this.#view.id });
    for (const line of endingLines(session)) {
      this.#terminal.say({ text: line, tone: "plain" });
    }
  }

  async #relist(): Promise<void> {
    this.#show(await this.#allChanges());
    if (this.#isEndNews && !this.#isDisposed) {
      this.#isEndNews = false;
      this.#listener.ended(this);
    }
  }

  #show(list: ChangeList): void {
    const before = this.#list;
    this.#list = list;
    if (!this.#isDisposed && !isSameList(before, list)) {
      this.#listener.listed(this, before);
    }
  }

  async #allChanges(): Promise<ChangeList> {
    // By id: while pages are read the list may move on, and one change may be on two of them.
    const changes = new Map<string, ChangeMessage>();
    let cursor: string | undefined;
    for (;;) {
      const page = await this.#server.request("bbox/changes/list", {
        session: this.#view.id,
        withHunks: true,
        ...(cursor === undefined ? {} : { cursor }),
      });
      for (const change of page.changes) {
        changes.set(change.id, change);
      }
      if (page.nextCursor === undefined) {
        return { revision: page.revision, changes: [...changes.values()] };
      }
      cursor = page.nextCursor;
    }
  }
}
