// SPDX-License-Identifier: Apache-2.0

/**
 * Work that is done again when it is asked for, one at a time.
 *
 * What is asked for while it goes on is done once more after it, however often it was asked.
 */
export class Latest {
  readonly #work: () => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #isWanted = false;
  #isBusy = false;

  constructor(work: () => Promise<void>, failed: (error: unknown) => void) {
    this.#work = work;
    this.#failed = failed;
  }

  ask(): void {
    this.#isWanted = true;
    if (!this.#isBusy) {
      this.#isBusy = true;
      this.#run().catch(this.#failed);
    }
  }

  async #run(): Promise<void> {
    while (this.#isWanted) {
      this.#isWanted = false;
      try {
        await this.#work();
      } catch (error) {
        this.#failed(error);
      }
    }
    this.#isBusy = false;
  }
}
