// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";

import { pathsBelow } from "./paths.js";

describe("pathsBelow", () => {
  it("names what is in the folder, from there", () => {
    const paths = ["/home/ada/tally/src/a.py", "/home/ada/tally2/b.py", "/tmp/c.py"];
    expect(pathsBelow("/home/ada/tally", paths)).toEqual(["src/a.py"]);
  });

  it("takes the root of all files too", () => {
    expect(pathsBelow("/", ["/a.py"])).toEqual(["a.py"]);
  });
});
