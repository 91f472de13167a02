// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { NO_CHANGES, type ChangeList } from "../review/change_list.js";
import { explain } from "../server/failure.js";
import { NoServer } from "../server/locate.js";
import { Restarts } from "../server/restarts.js";
import { Server } from "../server/server.js";
import { isOver, viewOf } from "../session/session_view.js";
import type { SessionMessage } from "../wire/messages.js";
import { AgentTerminal } from "./agent_terminal.js";
import { SideContent } from "./content.js";
import { HunkLenses } from "./hunk_lenses.js";
import { NetworkQuestions } from "./network_questions.js";
import { Notices } from "./notices.js";
import type { ServerProgram } from "./server_program.js";
import { Session } from "./session.js";
import { SCHEME } from "./side_uri.js";
import { ReviewControl } from "./source_control.js";
import { SessionStatus } from "./status.js";

const SESSION_KEY = "bbox.session";

/** This window: one server, the session that it shows, and where it shows it. */
export class Workbench implements vscode.Disposable {
  readonly server: Server;
  readonly #memory: vscode.Memento;
  readonly #program: ServerProgram;
  readonly #notices = new Notices();
  readonly #content: SideContent;
  readonly #lenses: HunkLenses;
  readonly #status = new SessionStatus();
  readonly #losses = new Restarts();
  readonly #registered: vscode.Disposable;
  #session: Session | undefined;
  #control: ReviewControl | undefined;

  constructor(memory: vscode.Memento, program: ServerProgram) {
    this.#memory = memory;
    this.#program = program;
    this.server = new Server(() => program.locate(), {
      event: (event) => this.#of(event.session)?.take(event),
      terminalData: (data) => this.#of(data.session)?.takeData(data),
      terminalEnded: (ended) => this.#of(ended.session)?.takeEnd(ended),
      sessionLost: ({ session }) => {
        this.#followAgain(this.#of(session));
      },
      lost: (reason, mayReturn) => {
        this.#comeBack(reason, mayReturn);
      },
      log: (line) => {
        this.#notices.log(line);
      },
    });
    const listOf = (session: string): ChangeList => this.#of(session)?.list ?? NO_CHANGES;
    this.#content = new SideContent(this.server, listOf);
    this.#lenses = new HunkLenses(listOf);
    this.#registered = vscode.Disposable.from(
      vscode.workspace.registerFileSystemProvider(SCHEME, this.#content, { isReadonly: true }),
      vscode.languages.registerCodeLensProvider({ scheme: SCHEME }, this.#lenses),
    );
  }

  get session(): Session | undefined {
    return this.#session;
  }

  /** Start an agent on a folder; its terminal comes first, then all that happens. */
  async run(agent: string, folder: vscode.WorkspaceFolder): Promise<void> {
    const terminal = terminalOf(agent);
    terminal.show("take");
    try {
      const session = await this.server.request("bbox/run", {
        workspaceUri: folder.uri.toString(),
        agent,
        terminal: await terminal.size(),
      });
      await this.#show(session, terminal);
    } catch (error) {
      terminal.say({ text: explain(error), tone: "warning" });
      throw error;
    }
  }

  /** Show a session that there is already. */
  async attach(session: SessionMessage, focus: "take" | "leave"): Promise<void> {
    const terminal = terminalOf(session.agent || session.image);
    terminal.show(focus);
    await this.#show(session, terminal);
  }

  /** After a reload: what this window showed last, if it is still there. */
  async restore(): Promise<void> {
    const id = this.#memory.get<string>(SESSION_KEY);
    if (id === undefined) {
      return;
    }
    const { sessions } = await this.server.request("bbox/sessions/list", {});
    const found = sessions.find((session) => session.id === id);
    if (found === undefined) {
      await this.#memory.update(SESSION_KEY, undefined);
      return;
    }
    await this.attach(found, "leave");
  }

  async showTerminal(session: Session): Promise<void> {
    await session.showTerminal(() => terminalOf(session.view.agent));
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
    this.#session?.dispose();
    this.#control?.dispose();
    this.#registered.dispose();
    this.#content.dispose();
    this.#lenses.dispose();
    this.#status.dispose();
    this.#notices.dispose();
  }

  async #show(message: SessionMessage, terminal: AgentTerminal): Promise<void> {
    this.#session?.dispose();
    this.#control?.dispose();
    const view = viewOf(message, Date.now() / 1000);
    const control = new ReviewControl(view.agent, vscode.Uri.file(view.workspace));
    const questions = new NetworkQuestions(this.server, (error) => {
      this.fail(error);
    });
    const session = new Session(this.server, view, terminal, {
      changed: ({ view, list }) => {
        this.#status.show(view, list);
      },
      listed: ({ view, list }, before) => {
        control.update(list);
        this.#status.show(view, list);
        this.#content.announce(view.id, before, list);
        this.#lenses.refresh();
      },
      warned: (text) => {
        this.#notices.warn(text);
      },
      asked: ({ view }, question) => {
        questions.ask(view.id, view.agent, question);
      },
      answered: (question) => {
        questions.answeredElsewhere(question);
      },
      followed: ({ view }) => questions.askOpen(view.id, view.agent),
      failed: (error) => {
        this.#notices.log(explain(error));
      },
    });
    this.#control = control;
    this.#session = session;
    this.#status.show(view, session.list);
    await this.#memory.update(SESSION_KEY, view.id);
    await vscode.commands.executeCommand("setContext", "bbox.hasSession", true);
    await session.follow();
  }

  #comeBack(reason: string, mayReturn: boolean): void {
    if (!mayReturn) {
      this.fail(
        new Error(`${reason} It was started again several times; sessions go on without it.`),
      );
      return;
    }
    this.#session?.follow().catch((error: unknown) => {
      this.fail(error);
    });
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

  #of(session: string): Session | undefined {
    return this.#session?.view.id === session ? this.#session : undefined;
  }
}

function terminalOf(agent: string): AgentTerminal {
  return new AgentTerminal(`BBox: ${agent}`);
}
