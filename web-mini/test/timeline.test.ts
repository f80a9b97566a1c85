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
  heldIn,
  HOUR,
  inputTime,
  keyStep,
  landing,
  mergeSpans,
  MINUTE,
  msAt,
  pan,
  reveal,
  ticks,
  timeFromInput,
  WINDOW,
  xOf,
  zoom,
} from "../src/timeline.ts";
import type { EventView, GapView, Hold, Span } from "../src/types.ts";

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

/** Runs in another time zone, and comes back. */
function inZone(zone: string, run: () => void): void {
  process.env["TZ"] = zone;
  try {
    run();
  } finally {
    process.env["TZ"] = "Europe/Berlin";
  }
}

test("days follow each other without a hole on every day of the year, also where the clocks change at midnight", () => {
  for (const zone of ["Europe/Berlin", "Asia/Beirut", "America/Santiago", "Australia/Lord_Howe", "UTC"]) {
    inZone(zone, () => {
      let day = dayOf(Date.UTC(2026, 0, 1, 12));
      let odd = 0;
      for (let n = 0; n < 365; n += 1) {
        const [before, after] = [dayOf(day.from - HOUR), dayOf(day.to + HOUR)];
        assert.deepEqual([before.to, after.from], [day.from, day.to], `${zone} ${dayName(day.from)}`);
        assert.deepEqual(dayFromName(dayName(day.from)), day);
        for (const ms of [day.from, day.from + 12 * HOUR, day.to - 1]) assert.deepEqual(dayOf(ms), day);
        if (day.to - day.from !== 24 * HOUR) odd += 1;
        day = after;
      }
      assert.equal(odd, zone === "UTC" ? 0 : 2, zone);
    });
  }
});

test("on the days the clocks change the strip is scaled by the real length and every hour has its place", () => {
  const spring = dayFromName("2026-03-29");
  const autumn = dayFromName("2026-10-25");
  assert.ok(spring && autumn);
  const at = (text: string): number => new Date(text).getTime();
  assert.equal(xOf(spring, 2300, at("2026-03-29T03:00:00+02:00")), 200, "three o'clock is two hours after midnight");
  assert.equal(xOf(autumn, 2500, at("2026-10-25T03:00:00+01:00")), 400, "and four in autumn");
  const labels = (day: { from: number; to: number }): number[] =>
    ticks(day, 1200, 46)
      .filter((tick) => tick.major)
      .map(({ ms }) => new Date(ms).getHours());
  assert.deepEqual(labels(spring).slice(0, 4), [0, 1, 3, 4]);
  assert.deepEqual(labels(autumn).slice(0, 5), [0, 1, 2, 2, 3]);
  assert.deepEqual([labels(spring).length, labels(autumn).length], [24, 26], "midnight at both ends");
  const coarse = ticks(autumn, 700, 46).filter((tick) => tick.major);
  assert.deepEqual(coarse.slice(0, 3).map(({ ms }) => new Date(ms).getHours()), [0, 2, 4], "the hour that comes twice has one label");
});

test("times go through an input and back, and the hour that comes twice stays what it was", () => {
  const at = (text: string): number => new Date(text).getTime();
  assert.equal(inputTime(at("2026-11-21T10:00:05+01:00")), "2026-11-21T10:00:05");
  for (const ms of [at("2026-10-25T02:30:00+02:00"), at("2026-10-25T02:30:00+01:00"), at("2026-03-29T03:00:00+02:00")]) {
    assert.equal(timeFromInput(inputTime(ms), ms), ms);
    assert.equal(timeFromInput(inputTime(ms + 60_000).slice(0, 16), ms), ms + 60_000);
  }
  assert.equal(timeFromInput("2026-03-29T02:30:00", 0), at("2026-03-29T03:30:00+02:00"), "an hour that is not there");
  assert.equal(timeFromInput("", 0), null);
  assert.equal(timeFromInput("nonsense", 0), null);
});

test("a day shows what is held of its camera", () => {
  const hold = (cameras: string[], from_ms: number, to_ms: number): Hold => ({ cameras, from_ms, to_ms }) as Hold;
  const [a, b] = [day.from - HOUR, day.from + HOUR];
  const holds = [hold(["front"], a, b), hold([], b, b + 1), hold(["yard"], a, b), hold(["front"], a - HOUR, day.from)];
  assert.deepEqual(heldIn(holds, "front", day), [
    { from: a, to: b },
    { from: b, to: b + 1 },
  ]);
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
