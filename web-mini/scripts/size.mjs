// dist/ → its gzipped size, file by file; fails above the limit, so that the page stays small enough for a board.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { gzipSync } from "node:zlib";

const LIMIT = 50_000;
const dist = new URL("../dist", import.meta.url).pathname;

function* files(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* files(path);
    else yield path;
  }
}

let total = 0;
try {
  for (const path of files(dist)) {
    const size = gzipSync(readFileSync(path), { level: 9 }).length;
    total += size;
    console.log(`${String(size).padStart(7)}  ${relative(dist, path)}`);
  }
} catch (error) {
  console.error(`dist/ cannot be read (${error.message}): run "npm run build" first`);
  process.exit(1);
}
console.log(`${String(total).padStart(7)}  bytes gzipped, limit ${LIMIT}`);
if (total > LIMIT) {
  console.error(`the page is ${total - LIMIT} bytes above its limit`);
  process.exit(1);
}
