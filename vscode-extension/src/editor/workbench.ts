// SPDX-License-Identifier: Apache-2.0
import * as vscode from "vscode";

import { NO_CHANGES, type ChangeList } from "../review/change_list.js";
import { explain } from "../server/failure.js";
import { locateServer } from "../server/locate.js";
import { Server } from "../server/server.js";
import { isOver, viewOf } from "../session/session_view.js";
import type { SessionMessage } from "../wire/messages.js";
import { AgentTerminal } from "./agent_terminal.js";
import { COMMANDS } from "./command_names.js";
import { SideContent } from "./content.js";
import { HunkLenses } from "./hunk_lenses.js";
import { ReviewControl } from "./source_control.js";
import { Session } from "./session.js";
import { SCHEME } from "./side_uri.js";

const SESSION_KEY = "bbox.session";

/** This window: one server, the session that it shows, and where it shows it. */
export class Workbench implements vscode.Disposable {
  readonly server: Server;
  readonly #memory: vscode.Memento;
  readonly #log = vscode.window.createOutputChannel("BBox");
  readonly #content: SideContent;
  readonly #lenses: HunkLenses;
  readonly #status = vscode.window.createStatusBarItem(vscode.StatusBarAlignment.Left, 10);
  readonly #registered: vscode.Disposable;
  #session: Session | undefined;
  #control: ReviewControl | undefined;

  constructor(memory: vscode.Memento) {
    this.#memory = memory;
    this.server = new Server(locate, {
      event: (event) => this.#of(event.session)?.take(event),
      terminalData: (data) => this.#of(data.session)?.takeData(data),
      terminalEnded: (ended) => this.#of(ended.session)?.takeEnd(ended),
      lost: () => {
        this.#comeBack();
      },
      log: (line) => {
        this.#log.appendLine(line);
      },
    });
    this.#content = new SideContent(this.server);
    this.#lenses = new HunkLenses((session) => this.#of(session)?.list ?? NO_CHANGES);
    this.#status.command = COMMANDS.showTerminal;
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
    const terminal = new AgentTerminal(`BBox: ${agent}`);
    terminal.show();
    try {
      const session = await this.server.request("bbox/run", {
        workspaceUri: folder.uri.toString(),
        agent,
        terminal: await terminal.size(),
      });
      await this.#show(session, terminal);
    } catch (error) {
      terminal.say(explain(error));
      throw error;
    }
  }

  /** Show a session that there is already. */
  async attach(session: SessionMessage): Promise<void> {
    const terminal = new AgentTerminal(`BBox: ${viewOf(session).agent}`);
    terminal.show();
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
    await this.attach(found);
  }

  /** Tell the user about a failure. */
  fail(error: unknown): void {
    const text = explain(error);
    this.#log.appendLine(text);
    vscode.window.showErrorMessage(text).then(undefined, () => undefined);
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
    this.#log.dispose();
  }

  async #show(message: SessionMessage, terminal: AgentTerminal): Promise<void> {
    this.#session?.dispose();
    this.#control?.dispose();
    const view = viewOf(message);
    this.#control = new ReviewControl(view.agent, vscode.Uri.file(message.workspace));
    this.#session = new Session(this.server, view, terminal, {
      changed: (session) => {
        this.#showState(session);
      },
      listed: (session, before) => {
        this.#showChanges(session, before);
      },
      failed: (error) => {
        this.#log.appendLine(explain(error));
      },
    });
    this.#showState(this.#session);
    await this.#memory.update(SESSION_KEY, view.id);
    await vscode.commands.executeCommand("setContext", "bbox.hasSession", true);
    await this.#session.follow();
  }

  #showState(session: Session): void {
    const { agent, state } = session.view;
    this.#status.text = `$(${isOver(state) ? "vm-outline" : "vm-running"}) ${agent}: ${state}`;
    this.#status.tooltip = "Show the agent's terminal";
    this.#status.show();
  }

  #showChanges(session: Session, before: ChangeList): void {
    this.#control?.update(session.list);
    this.#content.announce(session.view.id, before, session.list);
    this.#lenses.refresh();
  }

  #comeBack(): void {
    this.#session?.follow().catch((error: unknown) => {
      this.fail(error);
    });
  }

  #of(session: string): Session | undefined {
    return this.#session?.view.id === session ? this.#session : undefined;
  }
}

async function locate(): Promise<string> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  return await locateServer({
    setting: vscode.workspace.getConfiguration("bbox").get<string>("serverPath", ""),
    searchPath: process.env["PATH"] ?? "",
    workspaceRoots: folders.map((folder) => folder.uri.fsPath),
  });
}
