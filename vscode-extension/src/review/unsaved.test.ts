// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import { unsavedBelow } from "./unsaved.js";

describe("unsavedBelow", () => {
  it("names what is in the folder, from there", () => {
    const paths = ["/home/ada/tally/src/a.py", "/home/ada/tally2/b.py", "/tmp/c.py"];
    expect(unsavedBelow("/home/ada/tally", paths)).toEqual(["src/a.py"]);
  });

  it("takes the root of all files too", () => {
    expect(unsavedBelow("/", ["/a.py"])).toEqual(["a.py"]);
  });
});
