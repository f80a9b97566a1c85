// What the update agent says → what a person reads.
import assert from "node:assert/strict";
import { test } from "node:test";
import { doing, facts, goesOn, isLeaving, lacks, versions } from "../src/seldom/progress.ts";
import { de } from "../src/seldom/words/de.ts";
import { seldom } from "../src/seldom/words.ts";
import type { UpdateEntry, UpdateStatus } from "../src/types.ts";

const idle: UpdateStatus = {
  version: "1.0",
  slot: "A",
  step: "idle",
  words: "no update goes on",
  action: null,
  origin: null,
  target: null,
  progress: null,
  can_cancel: false,
  floor: null,
  last: null,
};

const entry: UpdateEntry = {
  action: "page-1",
  origin: "page",
  slot: "B",
  version: "2.0",
  from_version: "1.0",
  result: "rolled-back",
  reason: "camera \"yard\" does not record again",
  gap_s: 92,
  at_ms: new Date(2026, 10, 26, 17, 4, 5).getTime(),
  clock_sure: true,
};

test("a copy that is cancelled is said to be undone, a step this page does not know in the agent's words", () => {
  assert.equal(doing({ ...idle, step: "installing", can_cancel: true }), seldom.update.doing.installing);
  assert.equal(doing({ ...idle, step: "installing" }), seldom.update.doing.undoing);
  assert.equal(doing({ ...idle, step: "praying" as never, words: "it prays" }), "it prays");
  for (const step of Object.keys(seldom.update.doing)) assert.ok(de.update.doing[step as "trial"].endsWith("."), step);
});

test("an update goes on from the look at its bundle until it is over", () => {
  assert.ok(!goesOn(idle) && !goesOn({ ...idle, step: "starting" }));
  for (const step of ["checking", "installing", "installed", "trial", "going-back"] as const) assert.ok(goesOn({ ...idle, step }));
});

test("a recorder is missed only while it has no reason to be away", () => {
  for (const step of ["installed", "trial", "going-back"] as const) assert.ok(isLeaving({ ...idle, step }));
  for (const step of ["idle", "checking", "installing"] as const) assert.ok(!isLeaving({ ...idle, step }));
});

test("what a system on trial lacks is told one by one, and how far a copy is is none of it", () => {
  const progress = { percent: 0, words: "camera \"yard\" does not record again; the detector has not answered" };
  assert.deepEqual(lacks({ ...idle, step: "trial", progress }), [
    "camera \"yard\" does not record again",
    "the detector has not answered",
  ]);
  assert.deepEqual(lacks({ ...idle, step: "trial", progress: { percent: 0, words: "" } }), []);
  assert.deepEqual(lacks({ ...idle, step: "installing", progress }), []);
});

test("a line of the history says when, where, who and what it cost", () => {
  assert.equal(versions(entry), "1.0 → 2.0");
  assert.equal(versions({ ...entry, version: "" }), "1.0 → ?", "a bundle that could not be read");
  assert.equal(facts(entry, entry.at_ms + 60_000), "17:04:05 · slot B · on the page · 1 min 32 s not recorded");
  const cheap = { ...entry, origin: "usb" as const, gap_s: 0, clock_sure: false };
  assert.equal(facts(cheap, entry.at_ms), "17:04:05 · the clock was not sure · slot B · by a stick · no gap in the recording");
  assert.ok(facts({ ...entry, gap_s: null, clock_sure: null }, entry.at_ms).endsWith("on the page"), "what is not known is not said");
});
