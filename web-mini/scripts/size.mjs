// dist/ → its gzipped size, file by file; fails when what a phone fetches first, or all of it, is above its limit.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { gzipSync } from "node:zlib";

/** What the index names: live pictures, timeline, events, outputs. */
const FIRST = 40_000;
/** With what is fetched when it is opened. */
const ALL = 64_000;
const dist = new URL("../dist", import.meta.url).pathname;

function* files(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* files(path);
    else yield path;
  }
}

let [first, all] = [0, 0];
try {
  const index = readFileSync(join(dist, "index.html"), "utf8");
  for (const path of files(dist)) {
    const name = relative(dist, path);
    const size = gzipSync(readFileSync(path), { level: 9 }).length;
    const isFirst = name === "index.html" || index.includes(`"/${name}"`);
    all += size;
    if (isFirst) first += size;
    console.log(`${String(size).padStart(7)}  ${name}${isFirst ? "" : "  (when it is opened)"}`);
  }
} catch (error) {
  console.error(`dist/ cannot be read (${error.message}): run "npm run build" first`);
  process.exit(1);
}
for (const [what, size, limit] of [
  ["first", first, FIRST],
  ["all", all, ALL],
]) {
  console.log(`${String(size).padStart(7)}  bytes gzipped, ${what}; limit ${limit}`);
  if (size > limit) {
    console.error(`${what}: the page is ${size - limit} bytes above its limit`);
    process.exitCode = 1;
  }
}
