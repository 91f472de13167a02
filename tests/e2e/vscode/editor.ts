// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";

import { chromium, type Browser, type Locator, type Page } from "playwright-core";

import { exactly, until, WAIT_MS, when } from "./until.ts";

const SHORT_MS = 5_000;

/** An editor in a browser, used as a user would: by what is on the screen. */
export class Editor {
  readonly page: Page;
  readonly #browser: Browser;
  readonly #shots: string;

  constructor(browser: Browser, page: Page, shots: string) {
    this.#browser = browser;
    this.page = page;
    this.#shots = shots;
  }

  static async open(places: { url: string; shots: string; program: string }): Promise<Editor> {
    const browser = await chromium.launch({
      executablePath: places.program,
      // As root, in a container: Chromium's own sandbox can't be made there.
      args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
    });
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    await page.goto(places.url);
    return new Editor(browser, page, places.shots);
  }

  async close(): Promise<void> {
    await this.#browser.close();
  }

  async shot(name: string): Promise<void> {
    await this.page.screenshot({ path: join(this.#shots, `${name}.png`) });
  }

  /** Wait for the window, at first and after a reload. */
  async ready(): Promise<void> {
    await this.page.locator(".monaco-workbench .statusbar").waitFor({ timeout: 2 * WAIT_MS });
  }

  /** Trust the folder that is open, as its banner offers. */
  async trust(): Promise<void> {
    await this.page.locator(".part.banner a", { hasText: exactly("Manage") }).click();
    const buttons = this.page.locator(".workspace-trust-editor .monaco-button");
    await buttons.filter({ hasText: exactly("Trust") }).click();
    await this.page.locator(".part.banner").waitFor({ state: "hidden" });
    await this.command("View: Close All Editors");
  }

  /** Whether the palette has a command. */
  async hasCommand(label: string): Promise<boolean> {
    await this.#palette(label);
    const count = await this.#row(label).count();
    await this.page.keyboard.press("Escape");
    return count > 0;
  }

  /** Run a command of the palette by its exact label: the list is sorted by likeness. */
  async command(label: string): Promise<void> {
    await until(`the command “${label}”`, async () => {
      await this.#palette(label);
      await this.#row(label).first().click({ timeout: SHORT_MS });
      return true;
    });
  }

  /** Choose from a list that is open. */
  async pick(label: string): Promise<void> {
    await this.#row(label).first().click();
  }

  /** Wait for a list that has an entry. */
  async offers(label: string): Promise<void> {
    await this.#row(label).first().waitFor();
  }

  /** Type into the terminal. */
  async type(text: string): Promise<void> {
    await this.page.locator(".terminal-wrapper.active .xterm-helper-textarea").focus();
    await this.page.keyboard.type(text, { delay: 40 });
  }

  async terminalShows(text: string, timeoutMs = WAIT_MS): Promise<void> {
    await until(
      `“${text}” in the terminal`,
      async () => when((await this.terminalScreen()).includes(text)),
      timeoutMs,
    );
  }

  /** What the active terminal has on its screen. */
  async terminalScreen(): Promise<string> {
    const rows = this.page.locator(".terminal-wrapper.active .xterm-rows > div");
    return (await rows.allTextContents()).join("\n").replaceAll("\u00a0", " ");
  }

  /** All that the active terminal has kept, what has left its screen as well. */
  async terminalText(): Promise<string> {
    await this.page.evaluate(() => navigator.clipboard.writeText(""));
    await this.page.locator(".terminal-wrapper.active .xterm-helper-textarea").focus();
    await this.command("Terminal: Select All");
    await this.command("Terminal: Copy Selection");
    const text = await until("the terminal's text", async () => {
      const copied = await this.page.evaluate(() => navigator.clipboard.readText());
      return copied === "" ? undefined : copied;
    });
    return text.replaceAll("\u00a0", " ");
  }

  /** Open a view of the activity bar; its badge lies over its button. */
  async activity(label: string): Promise<void> {
    const button = this.page.locator(`.activitybar a[aria-label^="${label}"]`).first();
    await button.click({ force: true });
  }

  /** Not by its keys: a terminal with the focus takes them. */
  async sourceControl(): Promise<void> {
    const view = this.page.locator(".scm-view:not(.scm-history-view)");
    if (!(await view.isVisible())) {
      await this.activity("Source Control");
    }
    await view.waitFor();
  }

  /** The rows of Source Control: names of groups, and of files below them. */
  async changeRows(): Promise<string[]> {
    const rows = await this.page.locator(".scm-view .monaco-list-row").allTextContents();
    return rows.map((row) => row.trim());
  }

  /** A file's row in Source Control. */
  change(name: string): Locator {
    const label = this.page.locator(".label-name", { hasText: exactly(name) });
    return this.page.locator(".scm-view .monaco-list-row .resource").filter({ has: label }).first();
  }

  /** Press a button of a file's row in Source Control. */
  async rowAction(name: string, label: string): Promise<void> {
    const row = this.change(name);
    await row.hover();
    await row.locator(`.action-label[aria-label^="${label}"]`).click();
  }

  /** Wait for a tab that has this title. */
  async tab(title: string): Promise<void> {
    const tabs = this.page.locator(".tab.active .label-name");
    await tabs.filter({ hasText: exactly(title) }).waitFor();
  }

  /** Type a line at the end of the diff's right side that is open. */
  async typeAtEnd(line: string): Promise<void> {
    await this.#goTo("end");
    await this.page.keyboard.press("Enter");
    await this.page.keyboard.press("Home");
    await this.page.keyboard.type(line);
  }

  /** Wait for a lens at an end of the diff that is open; the first of that title from above. */
  async lensAt(end: "start" | "end", title: string): Promise<Locator> {
    return await until(`the lens “${title}”`, async () => {
      // Every time: what was not loaded yet had no end to go to.
      await this.#goTo(end);
      const found = await Promise.all(
        (await this.#lenses(title).all()).map(async (lens) => ({
          lens,
          y: (await lens.boundingBox())?.y ?? Infinity,
        })),
      );
      return found.sort((a, b) => a.y - b.y)[0]?.lens;
    });
  }

  async notification(text: string, timeoutMs = WAIT_MS): Promise<Locator> {
    const found = this.page.locator(".notification-list-item", { hasText: text }).first();
    await found.waitFor({ timeout: timeoutMs });
    return found;
  }

  /** Press a button of a notification. */
  async press(notification: Locator, label: string): Promise<void> {
    const buttons = notification.locator(".monaco-button");
    await buttons.filter({ hasText: exactly(label) }).click();
  }

  /** Answer a dialog that covers the window; returns what it said. */
  async dialog(button: string): Promise<string> {
    const dialog = this.page.locator(".monaco-dialog-box");
    const text = (await dialog.locator(".dialog-message-container").textContent()) ?? "";
    await dialog
      .locator(".monaco-button")
      .filter({ hasText: exactly(button) })
      .click();
    await dialog.waitFor({ state: "hidden" });
    return text;
  }

  async notifications(): Promise<string[]> {
    return await this.page.locator(".notification-list-item").allTextContents();
  }

  /** What stands above hunks, of those that are on the screen: others are not in the page. */
  #lenses(title: string): Locator {
    // Words without a command are no link.
    const words = this.page.locator(".editor-instance .codelens-decoration :is(a, span)");
    return words.filter({ hasText: exactly(title) }).filter({ visible: true });
  }

  async #goTo(end: "start" | "end"): Promise<void> {
    const input = ":is(.native-edit-context, textarea.inputarea)";
    await this.page.locator(`.editor.modified ${input}`).first().focus({ timeout: SHORT_MS });
    await this.page.keyboard.press(end === "start" ? "Control+Home" : "Control+End");
  }

  async #palette(text: string): Promise<void> {
    await this.page.keyboard.press("F1");
    await this.page.locator(".quick-input-widget input").fill(`>${text}`, { timeout: SHORT_MS });
    await this.page.locator(".quick-input-list .monaco-list-row").first().waitFor();
  }

  #row(label: string): Locator {
    return this.page
      .locator(".quick-input-list .monaco-list-row")
      .filter({ has: this.page.locator(".label-name", { hasText: exactly(label) }) });
  }
}
