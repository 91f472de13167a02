// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { NO_CHANGES, undecidedOf, type ChangeList } from "../review/change_list.js";
import { explain } from "../server/failure.js";
import { NoServer } from "../server/locate.js";
import { Restarts } from "../server/restarts.js";
import { Server } from "../server/server.js";
import { choiceName, paramsOf, type RunChoice } from "../session/run_choice.js";
import { isOver, viewOf } from "../session/session_view.js";
import type { SessionMessage } from "../wire/messages.js";
import { AgentTerminal } from "./agent_terminal.js";
import { SideContent } from "./content.js";
import { DraftFiles } from "./drafts.js";
import { HunkLenses } from "./hunk_lenses.js";
import { Memory } from "./memory.js";
import { Notices, showChanges } from "./notices.js";
import { ApplyActions } from "./apply_actions.js";
import { ReviewActions } from "./review_actions.js";
import type { ServerProgram } from "./server_program.js";
import { Session } from "./session.js";
import { SessionTree } from "./session_tree.js";
import { ShownSessions } from "./shown_sessions.js";
import { DRAFT_SCHEME, SCHEME } from "./side_uri.js";
import { SessionStatus } from "./status.js";
import { ChangeMarks } from "./marks.js";
import { NetworkQuestions } from "./network_questions.js";
import { ReviewControl } from "./source_control.js";

/** This window: one server, the sessions that it shows, and where it shows them. */
export class Workbench implements vscode.Disposable {
  readonly server: Server;
  readonly sessions = new ShownSessions();
  readonly tree: SessionTree;
  readonly drafts: DraftFiles;
  readonly memory: Memory;
  readonly #program: ServerProgram;
  readonly #notices = new Notices();
  readonly #content: SideContent;
  readonly #lenses: HunkLenses;
  readonly #marks: ChangeMarks;
  readonly #status = new SessionStatus();
  readonly #losses = new Restarts();
  readonly #registered: vscode.Disposable;

  constructor(memory: Memory, program: ServerProgram) {
    this.memory = memory;
    this.#program = program;
    this.server = new Server(() => program.locate(), {
      event: (event) => this.sessions.get(event.session)?.take(event),
      terminalData: (data) => this.sessions.get(data.session)?.takeData(data),
      terminalEnded: (ended) => this.sessions.get(ended.session)?.takeEnd(ended),
      sessionLost: ({ session }) => {
        this.#followAgain(this.sessions.get(session));
      },
      lost: (reason, mayReturn) => {
        this.#comeBack(reason, mayReturn);
      },
      log: (line) => {
        this.#notices.log(line);
      },
    });
    const listOf = (session: string): ChangeList => this.sessions.get(session)?.list ?? NO_CHANGES;
    this.#content = new SideContent(this.server, listOf);
    this.#lenses = new HunkLenses(listOf);
    this.#marks = new ChangeMarks(() =>
      this.sessions.all.map(({ view, root, list }) => ({ agent: view.agent, root, list })),
    );
    this.drafts = new DraftFiles(this.server, {
      listOf,
      edited: (session, reviewed) => this.sessions.get(session)?.adopt(reviewed),
      failed: (error) => {
        this.fail(error);
      },
    });
    this.tree = new SessionTree(this.server);
    this.#registered = vscode.Disposable.from(
      vscode.workspace.registerFileSystemProvider(SCHEME, this.#content, { isReadonly: true }),
      vscode.workspace.registerFileSystemProvider(DRAFT_SCHEME, this.drafts),
      vscode.languages.registerCodeLensProvider({ scheme: SCHEME }, this.#lenses),
      vscode.window.registerFileDecorationProvider(this.#marks),
      ...this.#watch(),
    );
  }

  /** Start what was chosen on a folder; its terminal comes first, then all that happens. */
  async run(choice: RunChoice, folder: vscode.WorkspaceFolder): Promise<void> {
    const terminal = terminalOf(choice.agent ?? choice.image ?? "agent");
    terminal.show("take");
    try {
      const params = paramsOf(choice, folder.uri.toString(), await terminal.size());
      const session = await this.server.request("bbox/run", params);
      await this.memory.keepChoice(choice);
      this.#notices.log(`${choiceName(choice)} on ${folder.uri.fsPath}: session ${session.id}`);
      await this.#show(session, terminal);
    } catch (error) {
      terminal.say({ text: explain(error), tone: "warning" });
      throw error;
    }
  }

  /** Show a session that there is already. */
  async attach(session: SessionMessage, focus: "take" | "leave"): Promise<void> {
    const shown = this.sessions.get(session.id);
    if (shown !== undefined) {
      this.sessions.activate(session.id);
      await this.showTerminal(shown);
      return;
    }
    const terminal = terminalOf(session.agent || session.image);
    terminal.show(focus);
    await this.#show(session, terminal);
  }

  /** After a reload: what this window showed last, as far as it is still there. */
  async restore(): Promise<void> {
    const kept = this.memory.sessions;
    if (kept.length === 0) {
      return;
    }
    const { sessions } = await this.server.request("bbox/sessions/list", {});
    const found = kept.flatMap((id) => sessions.filter((session) => session.id === id));
    await this.memory.keepSessions(found.map((session) => session.id));
    for (const session of found) {
      await this.attach(session, "leave");
    }
  }

  async showTerminal(session: Session): Promise<void> {
    await session.showTerminal(() => terminalOf(session.view.agent));
  }

  /** Show a session no more; it goes on. */
  async hide(id: string): Promise<void> {
    this.sessions.remove(id);
    await this.#sessionsChanged();
  }

  showLog(): void {
    this.#notices.showLog();
  }

  /** Tell the user about a failure. */
  fail(error: unknown): void {
    if (error instanceof NoServer) {
      this.#notices.offer(error, "Install", () => this.#program.install());
    } else {
      this.#notices.fail(error);
    }
  }

  /** Ends this window's part; the sessions go on. */
  async close(): Promise<void> {
    await this.server.dispose();
    this.dispose();
  }

  dispose(): void {
    this.sessions.dispose();
    this.#registered.dispose();
    this.#content.dispose();
    this.drafts.dispose();
    this.#lenses.dispose();
    this.#marks.dispose();
    this.tree.dispose();
    this.#status.dispose();
    this.#notices.dispose();
  }

  /** What the user changes may meet what the agent has changed. */
  #watch(): readonly vscode.Disposable[] {
    const watcher = vscode.workspace.createFileSystemWatcher("**/*");
    const moved = (uri: vscode.Uri): void => {
      for (const session of this.sessions.all) {
        if (session.hasChanged(uri)) {
          session.refresh();
        }
      }
    };
    return [
      watcher,
      watcher.onDidChange(moved),
      watcher.onDidCreate(moved),
      watcher.onDidDelete(moved),
    ];
  }

  async #show(message: SessionMessage, terminal: AgentTerminal): Promise<void> {
    const view = viewOf(message, Date.now() / 1000);
    const control = new ReviewControl(view);
    const questions = new NetworkQuestions(this.server, (error) => {
      this.fail(error);
    });
    const session = new Session(this.server, view, terminal, {
      changed: (changed) => {
        this.#showState(changed);
        this.tree.refresh();
      },
      listed: (listed, before) => {
        control.update(listed.list);
        this.#content.announce(view.id, before, listed.list);
        this.#lenses.refresh();
        this.#marks.refresh(listed.root, before, listed.list);
        this.#showState(listed);
      },
      ended: (finished) => {
        this.#finish(finished).catch((error: unknown) => {
          this.fail(error);
        });
      },
      called: (calling) => {
        this.#notices.called(calling.view.agent, () => this.showTerminal(calling));
      },
      warned: (text) => {
        this.#notices.warn(text);
      },
      asked: ({ view: { id, agent } }, question) => {
        questions.ask(id, agent, question);
      },
      answered: (question) => {
        questions.answeredElsewhere(question);
      },
      followed: ({ view: { id, agent } }) => questions.askOpen(id, agent),
      failed: (error) => {
        this.#notices.log(explain(error));
      },
    });
    this.sessions.add(session, control);
    this.#showState(session);
    await this.#sessionsChanged();
    await session.follow();
  }

  /** What the user's config wants at the end: to be asked, to review, or to have it applied. */
  async #finish(session: Session): Promise<void> {
    const { view, list } = session;
    switch (view.after) {
      case "ask":
        this.#notices.finished(view.agent, undecidedOf(list).length);
        break;
      case "review":
        await showChanges();
        break;
      case "apply":
        await new ReviewActions(this.server).acceptOrdinary(session, list.changes);
        await new ApplyActions(this.server).applyUnasked(session);
        break;
    }
  }

  async #sessionsChanged(): Promise<void> {
    const shown = this.sessions.all;
    await this.memory.keepSessions(shown.map(({ view }) => view.id));
    await vscode.commands.executeCommand("setContext", "bbox.hasSession", shown.length > 0);
    if (shown.length === 0) {
      this.#status.hide();
    }
    this.tree.refresh();
  }

  #showState(session: Session): void {
    if (session === this.sessions.active) {
      this.#status.show(session.view, session.list);
    }
    const open = this.sessions.all.map(({ list }) => undecidedOf(list).length);
    this.tree.count(open.reduce((sum, count) => sum + count, 0));
  }

  #comeBack(reason: string, mayReturn: boolean): void {
    if (!mayReturn) {
      this.fail(
        new Error(`${reason} It was started again several times; sessions go on without it.`),
      );
      return;
    }
    for (const session of this.sessions.all) {
      session.follow().catch((error: unknown) => {
        this.fail(error);
      });
    }
  }

  #followAgain(session: Session | undefined): void {
    if (session === undefined || !this.#losses.mayRestart(Date.now())) {
      return;
    }
    const { agent, state } = session.view;
    if (!isOver(state)) {
      const kept = `What ${agent} changed is kept: review it in Source Control.`;
      this.#notices.warn(`The microVM of ${agent} is gone: its process was ended. ${kept}`);
    }
    session.follow().catch((error: unknown) => {
      this.fail(error);
    });
  }
}

function terminalOf(agent: string): AgentTerminal {
  return new AgentTerminal(`BBox: ${agent}`);
}
