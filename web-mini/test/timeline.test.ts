// The strip's geometry, in a time zone that changes its clocks.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  clusterMarks,
  dayFromName,
  dayName,
  dayOf,
  fit,
  gapAt,
  HOUR,
  keyStep,
  landing,
  mergeSpans,
  MINUTE,
  msAt,
  pan,
  reveal,
  ticks,
  WINDOW,
  xOf,
  zoom,
} from "../src/timeline.ts";
import type { EventView, GapView, Span } from "../src/types.ts";

process.env["TZ"] = "Europe/Berlin";

const day = dayOf(new Date(2026, 10, 21, 13).getTime());
const span = (from_ms: number, to_ms: number): Span => ({ from_ms, to_ms });

test("a day is 24 hours, 23 in spring and 25 in autumn", () => {
  const hours = (m: number, d: number): number => {
    const range = dayOf(new Date(2026, m, d, 12).getTime());
    return (range.to - range.from) / HOUR;
  };
  assert.deepEqual([hours(10, 21), hours(2, 29), hours(9, 25)], [24, 23, 25]);
});

test("day names go both ways, and nonsense is no day", () => {
  assert.equal(dayName(day.from), "2026-11-21");
  assert.deepEqual(dayFromName("2026-11-21"), day);
  assert.equal(dayFromName(""), null);
  assert.equal(dayFromName("21.11.2026"), null);
});

test("pixels and moments are inverse", () => {
  for (const width of [320, 351, 1200]) {
    for (const ms of [day.from, day.from + 7 * HOUR + 123, day.to]) {
      assert.ok(Math.abs(msAt(day, width, xOf(day, width, ms)) - ms) <= 1);
    }
  }
});

test("zoom keeps the moment under the finger, stays in the day and stops at one hour", () => {
  const anchor = day.from + 9 * HOUR;
  const near = zoom(day, day, 0.25, anchor);
  assert.equal(near.to - near.from, 6 * HOUR);
  assert.ok(Math.abs(xOf(near, 1000, anchor) - xOf(day, 1000, anchor)) < 0.01);
  const nearest = zoom(near, day, 0.001, anchor);
  assert.equal(nearest.to - nearest.from, HOUR);
  assert.deepEqual(zoom(nearest, day, 1000, anchor), day);
  assert.equal(zoom(day, day, 0.1, day.from).from, day.from);
});

test("pan and reveal never leave the day", () => {
  const view = { from: day.from + 2 * HOUR, to: day.from + 3 * HOUR };
  assert.equal(pan(view, day, -9 * HOUR).from, day.from);
  assert.equal(pan(view, day, 99 * HOUR).to, day.to);
  assert.deepEqual(fit({ from: day.from - HOUR, to: day.to + HOUR }, day), day);
  for (const ms of [day.from, day.from + HOUR, day.from + 5 * HOUR, day.to - 1]) {
    const shown = reveal(view, day, ms);
    assert.ok(shown.from <= ms && ms <= shown.to);
    assert.equal(shown.to - shown.from, HOUR);
  }
  assert.equal(reveal(view, day, view.from + HOUR / 2), view);
});

test("spans that touch within a pixel become one", () => {
  const spans = [span(100, 200), span(0, 90), span(1000, 1100), span(1050, 1060)];
  assert.deepEqual(mergeSpans(spans, 10), [span(0, 200), span(1000, 1100)]);
  assert.equal(mergeSpans(spans, 0).length, 3);
  assert.deepEqual(spans[0], span(100, 200), "its input is left alone");
});

test("a tap on footage plays ten minutes from there, never across a gap", () => {
  const spans = [span(0, 5 * MINUTE), span(8 * MINUTE, 60 * MINUTE)];
  assert.deepEqual(landing(spans, MINUTE), { at: MINUTE, window: { from: MINUTE, to: 5 * MINUTE }, jumped: false });
  assert.deepEqual(landing(spans, 9 * MINUTE)?.window, { from: 9 * MINUTE, to: 9 * MINUTE + WINDOW });
});

test("a tap in a gap lands on the next footage; after the last there is none", () => {
  const spans = [span(0, 5 * MINUTE), span(8 * MINUTE, 60 * MINUTE)];
  const found = landing(spans, 6 * MINUTE);
  assert.deepEqual([found?.at, found?.jumped], [8 * MINUTE, true]);
  assert.equal(landing(spans, 60 * MINUTE), null, "the end of a span is outside it");
  assert.equal(landing([], 0), null);
});

test("a gap that lasts has no end", () => {
  const gap: GapView = { from_ms: 10, to_ms: null, cause: "stalled", words: "" };
  assert.equal(gapAt([gap], 1e15), gap);
  assert.equal(gapAt([gap], 9), null);
  assert.equal(gapAt([{ ...gap, to_ms: 20 }], 20), null);
});

test("near events share a mark that is named after most of them", () => {
  const event = (start_ms: number, label: string): EventView => ({ start_ms, label }) as EventView;
  const marks = clusterMarks(
    [event(day.from + 3 * HOUR, "car"), event(day.from, "dog"), event(day.from + 60, "person"), event(day.from + 90, "person")],
    day,
    1000,
    9,
  );
  assert.deepEqual(
    marks.map((m) => [m.count, m.label]),
    [
      [3, "person"],
      [1, "car"],
    ],
  );
  assert.equal(clusterMarks([event(day.from - HOUR, "car")], day, 1000, 9).length, 0);
});

test("ticks are on whole local hours, also on the day the clocks change", () => {
  const autumn = dayOf(new Date(2026, 9, 25, 12).getTime());
  for (const bounds of [day, autumn]) {
    const major = ticks(bounds, 351, 46).filter((tick) => tick.major);
    assert.ok(major.length >= 5 && major.length <= 9);
    for (const { ms } of major) assert.equal(new Date(ms).getMinutes(), 0);
    const xs = major.map(({ ms }) => xOf(bounds, 351, ms));
    for (let i = 1; i < xs.length; i += 1) assert.ok((xs[i] ?? 0) - (xs[i - 1] ?? 0) >= 40);
  }
  const hour = { from: day.from + 5 * HOUR, to: day.from + 6 * HOUR };
  assert.ok(ticks(hour, 351, 46).every(({ ms }) => ms >= hour.from && ms <= hour.to));
});

test("arrow keys go in steps people say", () => {
  assert.equal(keyStep(day), 15 * MINUTE);
  assert.equal(keyStep({ from: 0, to: HOUR }), MINUTE);
});
