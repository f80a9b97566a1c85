// A day's coverage, gaps, holds and events → the strip one taps to play. Time runs left to right, in local hours.
import { useRef, useState } from "preact/hooks";
import { hm, hms } from "../format.ts";
import {
  clusterMarks,
  keyStep,
  mergeSpans,
  msAt,
  pan,
  reveal,
  ticks,
  xOf,
  zoom,
  HOUR,
  type Range,
} from "../timeline.ts";
import type { Coverage, EventView } from "../types.ts";
import { t } from "../words.ts";
import { useGestures } from "./gestures.ts";
import { useWidth } from "./visible.ts";

interface StripProps {
  /** The day. */
  bounds: Range;
  /** What of it is shown. */
  view: Range;
  coverage: Coverage;
  events: readonly EventView[];
  /** What is kept. */
  held: readonly Range[];
  /** The moment that plays; null when nothing does. */
  playMs: number | null;
  nowMs: number;
  /** A change of the view; gestures come faster than pictures, so each builds on the one before. */
  onView: (change: (view: Range) => Range) => void;
  onSeek: (ms: number) => void;
}

const HEIGHT = 104;
/** Rows of the strip: events, footage, labels. */
const EVENTS = { top: 4, bottom: 28 };
const BAR = { top: 32, bottom: 76 };
const LABELS = 92;
/** Within the bar: a thin line where nothing happened, and what is kept along its foot. */
const QUIET = { top: 52, bottom: 56 };
const HELD = { top: 69, bottom: 76 };
/** A tap this near to an event mark means the event, px. */
const REACH = 14;
/** An event is played from this long before it began, ms. */
const LEAD_MS = 2_000;

export function Strip({ bounds, view, coverage, events, held, playMs, nowMs, onView, onSeek }: StripProps) {
  const ref = useRef<HTMLDivElement>(null);
  const width = useWidth(ref);
  const [hover, setHover] = useState<number | null>(null);
  const marks = clusterMarks(events, view, width, 9);
  const x = (ms: number): number => xOf(view, width, ms);
  const at = (px: number): number => msAt(view, width, px);

  useGestures(ref, {
    onTap: (px, y) => {
      const near =
        y <= EVENTS.bottom + 2
          ? marks.reduce<(typeof marks)[number] | null>(
              (best, m) => (Math.abs(m.x - px) < Math.min(REACH, Math.abs((best?.x ?? Infinity) - px)) ? m : best),
              null,
            )
          : null;
      onSeek(near ? near.from - LEAD_MS : at(px));
    },
    onPan: (dx) => onView((v) => pan(v, bounds, (-dx / Math.max(1, width)) * (v.to - v.from))),
    onZoom: (factor, px) => onView((v) => zoom(v, bounds, factor, msAt(v, width, px))),
    onHover: setHover,
  });

  const cursor = playMs ?? Math.min(Math.max(nowMs, bounds.from), bounds.to);
  const step = keyStep(view);
  const keys: Record<string, () => void> = {
    ArrowLeft: () => goTo(cursor - step),
    ArrowRight: () => goTo(cursor + step),
    Home: () => goTo(coverage.spans[0]?.from_ms ?? bounds.from),
    End: () => goTo((coverage.spans[coverage.spans.length - 1]?.to_ms ?? bounds.to) - 10_000),
    PageUp: () => onView((v) => pan(v, bounds, (v.from - v.to) / 2)),
    PageDown: () => onView((v) => pan(v, bounds, (v.to - v.from) / 2)),
    "+": () => onView((v) => zoom(v, bounds, 0.5, cursor)),
    "=": () => onView((v) => zoom(v, bounds, 0.5, cursor)),
    "-": () => onView((v) => zoom(v, bounds, 2, cursor)),
    Enter: () => goTo(cursor),
    " ": () => goTo(cursor),
  };
  function goTo(ms: number): void {
    const inDay = Math.min(Math.max(ms, bounds.from), Math.min(bounds.to, nowMs) - 1);
    onView((v) => reveal(v, bounds, inDay));
    onSeek(inDay);
  }

  return (
    <div
      ref={ref}
      class="strip"
      data-testid="timeline-strip"
      data-from={view.from}
      data-to={view.to}
      role="slider"
      tabIndex={0}
      aria-label={t.timeline.strip}
      aria-valuemin={bounds.from}
      aria-valuemax={bounds.to}
      aria-valuenow={Math.round(cursor)}
      aria-valuetext={hms(cursor)}
      onKeyDown={(e) => {
        const act = keys[e.key];
        if (!act || e.ctrlKey || e.metaKey || e.altKey) return;
        e.preventDefault();
        act();
      }}
    >
      {width > 0 && (
        <svg width={width} height={HEIGHT} viewBox={`0 0 ${width} ${HEIGHT}`} aria-hidden="true">
          <defs>
            <pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
              <rect class="gap-ground" width="6" height="6" />
              <rect class="gap-line" width="2.5" height="6" />
            </pattern>
            <clipPath id="bar">
              <rect x="0" y={BAR.top} width={width} height={BAR.bottom - BAR.top} rx="6" />
            </clipPath>
          </defs>
          <g clip-path="url(#bar)">
            <Bar cls="ground" from={0} to={width} />
            {coverage.gaps.map((gap) => {
              const from = x(gap.from_ms);
              const to = x(gap.to_ms ?? nowMs);
              return gap.cause === "quiet" ? (
                <Bar cls="quiet" key={gap.from_ms} from={from} to={to} at={QUIET} />
              ) : (
                <Bar cls="gap" key={gap.from_ms} from={from} to={Math.max(from + 2, to)} />
              );
            })}
            {mergeSpans(coverage.spans, msAt(view, width, 1) - view.from).map((span) => (
              <Bar cls="footage" key={span.from_ms} from={x(span.from_ms)} to={Math.max(x(span.from_ms) + 1, x(span.to_ms))} />
            ))}
            {held.map(({ from, to }) => (
              <Bar cls="held" key={from} from={x(from)} to={Math.max(x(from) + 3, x(to))} at={HELD} />
            ))}
            {nowMs < view.to && <Bar cls="future" from={x(nowMs)} to={width} />}
          </g>
          {ticks(view, width, 46).map(({ ms, major }) => (
            <g key={ms}>
              <line class={major ? "tick major" : "tick"} x1={x(ms)} x2={x(ms)} y1={BAR.bottom} y2={BAR.bottom + (major ? 6 : 3)} />
              {major && x(ms) > 12 && x(ms) < width - 12 && (
                <text class="hour" x={x(ms)} y={LABELS} text-anchor="middle">
                  {hourLabel(ms, view)}
                </text>
              )}
            </g>
          ))}
          {marks.map((mark) => (
            <g key={mark.from} class="mark" transform={`translate(${mark.x.toFixed(1)} ${EVENTS.bottom})`}>
              <line x1="0" x2="0" y1={-9} y2={BAR.bottom - EVENTS.bottom} />
              <circle cx="0" cy={-12} r={mark.count > 1 ? 5.5 : 4} />
            </g>
          ))}
          {nowMs >= view.from && nowMs < view.to && <line class="now" x1={x(nowMs)} x2={x(nowMs)} y1={BAR.top - 2} y2={BAR.bottom + 2} />}
          {hover !== null && <Hand cls="hover" x={hover} width={width} words={hms(at(hover))} />}
          {playMs !== null && playMs >= view.from && playMs <= view.to && (
            <Hand cls="playhead" x={x(playMs)} width={width} words={hms(playMs)} />
          )}
          {view.to - view.from < bounds.to - bounds.from && (
            <rect
              class="overview"
              x={xOf(bounds, width, view.from)}
              width={Math.max(12, xOf(bounds, width, view.to) - xOf(bounds, width, view.from))}
              y={HEIGHT - 3}
              height="3"
              rx="1.5"
            />
          )}
        </svg>
      )}
    </div>
  );
}

function Bar({ cls, from, to, at = BAR }: { cls: string; from: number; to: number; at?: typeof BAR }) {
  return <rect class={cls} x={from} width={Math.max(0, to - from)} y={at.top} height={at.bottom - at.top} />;
}

function Hand({ cls, x, width, words }: { cls: string; x: number; width: number; words: string }) {
  const left = Math.min(Math.max(x - 31, 0), Math.max(0, width - 62));
  return (
    <g class={cls}>
      <line x1={x} x2={x} y1={20} y2={BAR.bottom + 3} />
      <rect x={left} y="1" width="62" height="20" rx="5" />
      <text x={left + 31} y="15" text-anchor="middle">
        {words}
      </text>
    </g>
  );
}

/** Whole hours as one number while a day is shown, with minutes when closer. */
function hourLabel(ms: number, view: Range): string {
  return view.to - view.from > 8 * HOUR ? hm(ms).slice(0, 2) : hm(ms);
}
