// Routes, boxes, pace, events, words and numbers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { since } from "../src/arm.ts";
import { BoxBuffer } from "../src/boxes.ts";
import { backOff, chase } from "../src/chase.ts";
import { byDay, mergeEvents } from "../src/events.ts";
import { bitrate, bytes, duration, hours } from "../src/format.ts";
import { pickLanguage } from "../src/language.ts";
import { added, FIRST, isCrossed, moved, removed } from "../src/seldom/polygon.ts";
import { linkTo, parseRoute } from "../src/route.ts";
import { isApplePhone, keyBytes, wayOf } from "../src/seldom/push.ts";
import { asId, begun, shapesOf, wayIn, withLimit, withShapes } from "../src/seldom/shapes.ts";
import { propose } from "../src/seldom/threshold.ts";
import type { Corner, Detections, EventView, Sight } from "../src/types.ts";
import { seldom } from "../src/seldom/words.ts";
import { gapWord, labelWord, t } from "../src/words.ts";

test("routes go both ways", () => {
  const route = parseRoute(linkTo("live", "front door/2", { stream: "main", at: null }));
  assert.deepEqual([route.page, route.id, route.query.get("stream"), route.query.has("at")], ["live", "front door/2", "main", false]);
  assert.equal(parseRoute("").page, "live");
  assert.equal(parseRoute("#/setup?code=AB-12").query.get("code"), "AB-12");
  assert.equal(parseRoute("#/events/%E0%A4%A").id, "%E0%A4%A", "a broken escape is no crash");
});

const seen = (at_ms: number): Detections => ({ camera: "front", at_ms, inferred: true, boxes: [] });

test("boxes are those of the picture's time, and vanish when nothing fresh is known", () => {
  const buffer = new BoxBuffer();
  for (const at of [1000, 1200, 1600, 1400]) buffer.push(seen(at));
  assert.equal(buffer.at(1250)?.at_ms, 1200);
  assert.equal(buffer.at(1330)?.at_ms, 1400, "a little ahead counts");
  assert.equal(buffer.at(1500)?.at_ms, 1400, "a late arrival is put in its place");
  assert.equal(buffer.at(900), null);
  assert.equal(buffer.at(2700), null);
  assert.equal(buffer.newest()?.at_ms, 1600);
});

test("the box buffer is bounded in time and number", () => {
  const buffer = new BoxBuffer();
  for (let at = 0; at < 100_000; at += 100) buffer.push(seen(at));
  assert.ok(buffer.size <= 121);
  const dense = new BoxBuffer();
  for (let at = 0; at < 5_000; at += 1) dense.push(seen(at));
  assert.ok(dense.size <= 400);
});

test("the live picture jumps when it is far behind, hurries when a little, and never runs dry by that", () => {
  assert.equal(chase(3, 0.5).jumpTo, 0.7);
  assert.deepEqual(chase(1.2, 0.5), { jumpTo: null, rate: 1.06 });
  assert.deepEqual(chase(0.7, 0.5), { jumpTo: null, rate: 1 });
  assert.ok(chase(1.6, 0.5).jumpTo !== null, "more than 1.5 s with short fragments");
  for (const step of [0.2, 0.5, 1, 2, 4]) {
    assert.equal(chase(step + 0.1, step).jumpTo, null, "what arrives at once is not behind");
    assert.ok((chase(99, step).jumpTo ?? 0) > step, "the next fragment comes before the picture stops");
  }
});

test("tries come less and less often, at most every 38 s", () => {
  assert.ok(backOff(0, 0) >= 300 && backOff(0, 1) <= 700);
  for (let n = 1; n < 60; n += 1) assert.ok(backOff(n, 0.5) >= backOff(n - 1, 0.5) && backOff(n, 1) <= 38_000);
});

test("events are merged once each, newest first, and split by day", () => {
  const event = (id: string, score: number): EventView => ({ id, score, start_ms: Number(id) * 86_400_000 }) as EventView;
  const all = mergeEvents([event("2", 0.5), event("1", 0.5)], [event("3", 0.6), event("2", 0.9)]);
  assert.deepEqual(
    all.map((e) => [e.id, e.score]),
    [
      ["3", 0.6],
      ["2", 0.9],
      ["1", 0.5],
    ],
  );
  assert.equal(byDay(all).length, 3);
});

test("languages: the first one that is known, else English", () => {
  assert.equal(pickLanguage(["fr-FR", "de-AT", "en"]), "de");
  assert.equal(pickLanguage(["fr"]), "en");
  assert.equal(pickLanguage([]), "en");
});

test("every state of the storage and every cause has words", () => {
  for (const state of ["slow", "missing", "foreign", "read-only", "full", "failing"] as const) {
    assert.ok(seldom.health.storageState[state] && seldom.health.storageMend[state].endsWith("."), state);
  }
  for (const cause of ["quiet", "lost"] as const) assert.notEqual(gapWord(cause, "?"), "?");
});

test("unknown classes and causes are shown as they are", () => {
  assert.equal(labelWord("giraffe"), "Giraffe");
  assert.equal(gapWord("meteor" as never, "a meteor hit"), "a meteor hit");
});

test("a tap adds a corner to the nearest side, a drag stays in the picture, three corners stay", () => {
  assert.deepEqual(added(FIRST, [0.5, 0.4])[1], [0.5, 0.4]);
  assert.deepEqual(added(FIRST, [0.05, 0.7])[4], [0.05, 0.7]);
  assert.deepEqual(moved(FIRST, 0, [-1, 2])[0], [0, 1]);
  const three = removed(FIRST, 0);
  assert.equal(three.length, 3);
  assert.deepEqual(removed(three, 0), three);
  const full = Array.from({ length: 16 }, (_, n): [number, number] => [n / 16, 0]);
  assert.equal(added(full, [0.5, 0.5]).length, 16);
});

test("sides that cross are known", () => {
  assert.equal(isCrossed(FIRST), false);
  assert.equal(isCrossed(moved(FIRST, 0, [0.95, 0.7])), true);
  assert.equal(isCrossed(removed(FIRST, 0)), false);
});

test("a false alarm's limit lies just above it, and its price is told", () => {
  assert.deepEqual(propose(0.634, [0.5, 0.64, 0.639, 0.9]), { limit: 0.64, lost: 2 });
  assert.deepEqual(propose(0.63, []), { limit: 0.64, lost: 0 });
  assert.deepEqual(propose(0.29, [0.3]), { limit: 0.3, lost: 0 });
  assert.equal(propose(0.99, [0.5]), null);
});

test("numbers are short", () => {
  assert.equal(bytes(64 * 2 ** 30), "64 GiB");
  assert.equal(bytes(0), "0 B");
  assert.equal(bitrate(912_000), "912 kbit/s");
  assert.equal(bitrate(4_200_000), "4.2 Mbit/s");
  assert.equal(duration(500), "0.5 s");
  assert.equal(duration(125_000), "2 min 5 s");
  assert.equal(duration(93_784_000), "1 d 2 h");
  assert.equal(hours(24 * 3_600_000), "24 h");
});

test("who armed the device is said in words, also when nobody did", () => {
  assert.equal(since("10:00", "nobody yet"), t.arm.nobody);
  assert.equal(since("10:00", "user ada"), "since 10:00, by ada");
  assert.equal(since("10:00", "input key"), "since 10:00, by key-switch key");
  assert.equal(since("10:00", "schedule"), "since 10:00, by the schedule");
  assert.equal(since("10:00", "something new"), "since 10:00, by something new");
});

const sight = (): Sight => ({
  classes: ["person"],
  filter: { person: { min_score: 0.6, min_height: 0.1 } },
  mask: [{ points: FIRST }],
  line: [{ id: "gate", points: [[0, 0.5], [1, 0.5]] }],
  zone: [{ id: "path", points: FIRST, classes: ["person"], filter: { person: { min_score: 0.7 } } }],
});

test("what is drawn goes back to the recorder with all that is not drawn", () => {
  assert.deepEqual(withShapes(sight(), shapesOf(sight())), sight());
  const shapes = shapesOf(sight());
  assert.deepEqual(shapes.map((shape) => shape.kind), ["zone", "line", "mask"]);
  const moved = withShapes(sight(), shapes.map((shape) => ({ ...shape, points: shape.points.map(([x, y]): Corner => [x / 3, y]) })));
  assert.deepEqual(moved.zone[0]?.points[0], [0.033, 0.5], "a thousandth is enough");
  assert.deepEqual(moved.zone[0]?.filter, sight().zone[0]?.filter);
  assert.deepEqual(withShapes(sight(), []).zone, []);
});

test("a new shape has a name that no other has", () => {
  const zone = begun("zone", []);
  const second = begun("zone", [zone]);
  assert.equal(zone.kind !== "mask" && zone.id, "zone");
  assert.equal(second.kind !== "mask" && second.id, "zone-2");
  assert.equal(begun("line", []).points.length, 2);
  assert.equal(asId("Front path"), "front-path");
});

test("a line's way in is to the right of who looks along it", () => {
  const [from, to] = wayIn([[0.2, 0.5], [0.8, 0.5]]);
  assert.deepEqual(from, [0.5, 0.5]);
  assert.ok(to && to[1] > 0.5, "down the picture for a line from left to right");
  assert.deepEqual(wayIn([[0.5, 0.5], [0.5, 0.5]]), []);
});

test("a limit is never lowered, and other limits of the class stay", () => {
  assert.deepEqual(withLimit(sight(), "person", 0.65).filter, { person: { min_score: 0.65, min_height: 0.1 } });
  assert.equal(withLimit(sight(), "person", 0.5).filter["person"]?.min_score, 0.6);
  assert.deepEqual(withLimit(sight(), "car", 0.5).filter["car"], { min_score: 0.5 });
});

test("what stands between a browser and messages is known", () => {
  const browser = { isSecure: true, hasPush: true, isApple: false, permission: "default" };
  assert.equal(wayOf(browser), "ready");
  assert.equal(wayOf({ ...browser, isSecure: false }), "insecure");
  assert.equal(wayOf({ ...browser, permission: "denied" }), "denied");
  assert.equal(wayOf({ ...browser, hasPush: false }), "unable");
  assert.equal(wayOf({ ...browser, hasPush: false, isApple: true }), "home-screen");
  assert.ok(isApplePhone("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)", 5));
  assert.ok(isApplePhone("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", 5), "an iPad");
  assert.ok(!isApplePhone("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", 0), "a Mac");
  assert.deepEqual([...keyBytes("BP-_")], [4, 255, 191]);
});
