// SPDX-License-Identifier: Apache-2.0
// An editor in a browser, driven as a user would: by what is on the screen.
import { join } from "node:path";

import { chromium } from "playwright-core";

const WAIT_MS = 30_000;
const SHORT_MS = 5_000;

/** Wait until `probe` answers something true; says what did not come. */
export async function until(what, probe, timeoutMs = WAIT_MS) {
  const deadline = Date.now() + timeoutMs;
  let last;
  while (Date.now() < deadline) {
    try {
      last = await probe();
    } catch (error) {
      last = error;
    }
    if (last && !(last instanceof Error)) {
      return last;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${what}: not within ${timeoutMs} ms; last: ${String(last)}`);
}

export class Editor {
  constructor(browser, page, shots) {
    this.browser = browser;
    this.page = page;
    this.shots = shots;
  }

  static async open({ url, shots, program }) {
    const browser = await chromium.launch({
      executablePath: program,
      // As root, in a container: Chromium's own sandbox can't be made there.
      args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
    });
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.setDefaultTimeout(WAIT_MS);
    await page.goto(url);
    return new Editor(browser, page, shots);
  }

  async close() {
    await this.browser.close();
  }

  async shot(name) {
    await this.page.screenshot({ path: join(this.shots, `${name}.png`) });
  }

  /** Trust the folder that is open, as its banner offers. */
  async trust() {
    await this.ready();
    await this.page.locator(".part.banner a", { hasText: exactly("Manage") }).click();
    const buttons = this.page.locator(".workspace-trust-editor .monaco-button");
    await buttons.filter({ hasText: exactly("Trust") }).click();
    await this.page.locator(".part.banner").waitFor({ state: "hidden" });
  }

  /** Whether the palette has a command. */
  async hasCommand(label) {
    await this.page.keyboard.press("F1");
    await this.page.locator(".quick-input-widget input").fill(`>${label}`);
    await this.page.locator(".quick-input-list .monaco-list-row").first().waitFor();
    const count = await this.row(label).count();
    await this.page.keyboard.press("Escape");
    return count > 0;
  }

  async ready() {
    await this.page.locator(".monaco-workbench .statusbar").waitFor({ timeout: 2 * WAIT_MS });
  }

  /** Run a command of the palette by its exact label: the list is sorted by likeness. */
  async command(label) {
    await until(`the command “${label}”`, async () => {
      await this.page.keyboard.press("F1");
      await this.page.locator(".quick-input-widget input").fill(`>${label}`);
      const row = this.row(label);
      await row.first().waitFor({ timeout: SHORT_MS });
      await row.first().click();
      return true;
    });
  }

  /** Choose from a list that is open. */
  async pick(label) {
    await this.row(label).first().click();
  }

  row(label) {
    return this.page
      .locator(".quick-input-list .monaco-list-row")
      .filter({ has: this.page.locator(".label-name", { hasText: exactly(label) }) });
  }

  /** All that the active terminal shows now. */
  async terminalText() {
    const rows = await this.page
      .locator(".terminal-wrapper.active .xterm-rows > div")
      .allTextContents();
    return rows.join("\n").replaceAll("\u00a0", " ");
  }

  async terminalShows(text, timeoutMs = WAIT_MS) {
    await until(
      `“${text}” in the terminal`,
      async () => (await this.terminalText()).includes(text),
      timeoutMs,
    );
  }

  async type(text) {
    await this.page.locator(".terminal-wrapper.active .xterm-helper-textarea").focus();
    await this.page.keyboard.type(text, { delay: 40 });
  }

  /** The rows of Source Control: names of files and of groups. */
  async changes() {
    const rows = await this.page.locator(".scm-view .monaco-list-row").allTextContents();
    return rows.map((row) => row.trim());
  }

  /** Not by its keys: a terminal with the focus takes them. */
  async sourceControl() {
    const view = this.page.locator(".scm-view:not(.scm-history-view)");
    if (!(await view.isVisible())) {
      await this.page.locator('.activitybar a[aria-label^="Source Control"]').first().click();
    }
    await view.waitFor();
  }

  change(name) {
    const label = this.page.locator(".label-name", { hasText: exactly(name) });
    return this.page.locator(".scm-view .monaco-list-row .resource").filter({ has: label });
  }

  /** What stands above the hunks of the diff that is open. */
  lenses(title) {
    // Words without a command are no link.
    const words = this.page.locator(".codelens-decoration :is(a, span)");
    return words.filter({ hasText: exactly(title) });
  }

  /** Scroll through the diff until such a lens is on the screen: others are not in the page. */
  async lens(title) {
    // The agent's side is the right half of the editors' part.
    const box = await this.page.locator(".part.editor").boundingBox();
    await this.page.mouse.move(box.x + box.width * 0.75, box.y + box.height / 2);
    return await until(`the lens “${title}”`, async () => {
      for (let turn = 0; turn < 20; turn += 1) {
        // What was scrolled away stays in the page for a while, hidden.
        const found = this.lenses(title).filter({ visible: true });
        if ((await found.count()) > 0) {
          return found.first();
        }
        await this.page.mouse.wheel(0, 120);
        await this.page.waitForTimeout(150);
      }
      await this.page.mouse.wheel(0, -10_000);
      return undefined;
    });
  }

  async notifications() {
    return await this.page.locator(".notification-list-item").allTextContents();
  }

  async notification(text) {
    await this.page.locator(".notification-list-item", { hasText: text }).first().waitFor();
  }
}

function exactly(text) {
  return new RegExp(`^${text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`);
}
