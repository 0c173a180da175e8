// SPDX-License-Identifier: Apache-2.0
// One compiler for many mutants, as starting it costs seconds: a request of standard JSON a line on standard input, an answer a line.
// Runs in the folder that the sources are in; what a request does not bring is read from there.
const { readFileSync } = require("fs");
const { createRequire } = require("module");
const solc = createRequire(process.cwd() + "/")("solc");

function find(brought, path) {
  try {
    return { contents: brought[path] ?? readFileSync(path, "utf8") };
  } catch (error) {
    return { error: String(error) };
  }
}

require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { input, brought } = JSON.parse(line);
  console.log(solc.compile(JSON.stringify(input), { import: (path) => find(brought, path) }));
});
