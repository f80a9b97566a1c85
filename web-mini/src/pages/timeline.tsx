// A camera and a day → its strip, and the player for the tapped moment.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api, ApiError } from "../api.ts";
import { bytes, duration, hm, hms, hours } from "../format.ts";
import { mergeEvents } from "../events.ts";
import { Icon } from "../parts/icon.tsx";
import { Player, type Wish } from "../parts/player.tsx";
import { Seldom } from "../parts/seldom.tsx";
import { Empty, Head, Loading, Segments, Trouble } from "../parts/small.tsx";
import { Strip } from "../parts/strip.tsx";
import { cameras, epoch, eventNews, mayOperate, route, sentOut, serverNow } from "../store.ts";
import { dayFromName, dayName, dayOf, gapAt, heldIn, HOUR, landing, MINUTE, reveal, zoom, type Range } from "../timeline.ts";
import type { CameraStatus, Coverage, EventView, GapView, Hold, Holds, Span, StreamKind } from "../types.ts";
import { gapWord, t } from "../words.ts";

export function Timeline() {
  const all = cameras.value;
  if (all === null) return <Loading />;
  const first = all[0];
  if (!first) return <Empty icon="timeline" title={t.live.empty} />;
  return <Day all={all} first={first} />;
}

/** Coverage of the running day is asked for this often, ms. */
const FRESH_MS = 10_000;
/** Keys and taps settle for this long before footage is loaded, ms. */
const SETTLE_MS = 200;
/** What is kept around a moment that plays, ms. */
const AROUND = { before: MINUTE, after: 4 * MINUTE };
/** At most so many pages of events are marked on a day. */
const EVENT_PAGES = 10;

function Day({ all, first }: { all: CameraStatus[]; first: CameraStatus }) {
  const asked = route.value.query;
  const askedAt = Number(asked.get("at") ?? NaN);
  const [cameraId, setCameraId] = useState(asked.get("camera") ?? first.id);
  const [stream, setStream] = useState<StreamKind>(asked.get("stream") === "sub" ? "sub" : "main");
  const [bounds, setBounds] = useState<Range>(() => dayOf(askedAt || serverNow()));
  const [view, setView] = useState<Range>(bounds);
  const [coverage, setCoverage] = useState<Coverage | null>(null);
  const [events, setEvents] = useState<EventView[]>([]);
  const [trouble, setTrouble] = useState("");
  const [said, setSaid] = useState("");
  const [playMs, setPlayMs] = useState<number | null>(null);
  const [wish, setWish] = useState<Wish | null>(null);
  const [nowMs, setNowMs] = useState(serverNow());
  const [holds, setHolds] = useState<Holds | null>(null);
  const [keeping, setKeeping] = useState(false);
  const settle = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const pending = useRef<number | null>(askedAt || null);

  const camera = all.find((c) => c.id === cameraId) ?? first;
  const hasSub = camera.streams.some((s) => s.kind === "sub");
  const kind: StreamKind = hasSub ? stream : "main";
  const shape = camera.streams.find((s) => s.kind === kind);
  const codecs = shape?.codecs ?? "";

  async function fetchCoverage(): Promise<Coverage> {
    const fresh = await api.coverage(camera.id, kind, bounds.from, bounds.to);
    setNowMs(serverNow());
    setCoverage(fresh);
    setTrouble("");
    return fresh;
  }

  useEffect(() => {
    let gone = false;
    const get = (): void => {
      if (document.hidden) return;
      fetchCoverage()
        .then((fresh) => {
          if (gone || pending.current === null) return;
          const ms = pending.current;
          pending.current = null;
          setView((old) => reveal(zoom(old, bounds, 0, ms), bounds, ms));
          seek(ms, fresh);
        })
        .catch((e: unknown) => {
          if (!gone && !sentOut(e)) setTrouble(e instanceof ApiError ? e.message : String(e));
        });
    };
    setCoverage(null);
    get();
    const timer = setInterval(() => serverNow() < bounds.to + FRESH_MS && get(), FRESH_MS);
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [camera.id, kind, bounds]);

  const again = epoch.value;
  const fetchHolds = (): void => void api.holds().then(setHolds).catch(sentOut);
  useEffect(fetchHolds, [again]);
  useEffect(() => {
    let gone = false;
    setEvents([]);
    const walk = async (): Promise<void> => {
      let before: string | null = null;
      for (let page = 0; page < EVENT_PAGES && !gone; page += 1) {
        const answer = await api.events({ camera: camera.id, from: bounds.from, to: bounds.to, before, limit: 200 });
        if (gone) return;
        setEvents((old) => mergeEvents(old, answer.events));
        before = answer.next;
        if (before === null) return;
      }
    };
    walk().catch(sentOut);
    return () => {
      gone = true;
    };
  }, [camera.id, bounds, again]);

  const news = eventNews.value;
  useEffect(() => {
    if (!news || news.camera !== camera.id || news.start_ms < bounds.from || news.start_ms >= bounds.to) return;
    setEvents((old) => mergeEvents(old, [news]));
  }, [news]);

  /** Plays a moment, or says why it cannot be played and goes to the next footage. */
  function seek(ms: number, known: Coverage | null = coverage): void {
    if (!known) return;
    const found = landing(known.spans, ms);
    if (!found || found.jumped) {
      const gap = gapAt(known.gaps, ms);
      const why = gap ? gapSentence(gap, nowMs) : t.timeline.nothingThere(hms(ms));
      setSaid(`${why} ${found ? t.timeline.jumped(hms(found.at)) : t.timeline.noneAfter}`);
    } else {
      setSaid("");
    }
    if (!found) return;
    setPlayMs(found.at);
    clearTimeout(settle.current);
    settle.current = setTimeout(() => {
      settle.current = undefined;
      setWish({ ms: found.at });
    }, SETTLE_MS);
  }

  function onMoment(ms: number | null): void {
    if (settle.current !== undefined) return; // about to go elsewhere
    setPlayMs(ms);
    if (ms !== null) setView((old) => reveal(old, bounds, ms));
  }

  function goHold(hold: Hold): void {
    pending.current = hold.from_ms;
    setCameraId((old) => (hold.cameras.length === 0 || hold.cameras.includes(old) ? old : (hold.cameras[0] ?? old)));
    goDay(dayOf(hold.from_ms));
  }

  function goDay(range: Range | null): void {
    if (!range) return;
    setBounds(range);
    setView(range);
    setSaid("");
  }

  const recorded = useMemo(() => coverage?.spans.reduce((sum, s) => sum + overlap(s, bounds), 0) ?? 0, [coverage]);
  const today = dayOf(nowMs);
  const held = useMemo(() => heldIn(holds?.holds ?? [], camera.id, bounds), [holds, camera.id, bounds]);
  const faults = coverage?.gaps.filter((gap) => gap.cause !== "quiet") ?? [];
  const untilNow = (from: number, to: number): Range => ({ from, to: Math.min(to, serverNow()) });
  const zoomBy = (factor: number): void => setView((v) => zoom(v, bounds, factor, playMs ?? (v.from + v.to) / 2));

  return (
    <div class="timeline">
      <Head title={t.timeline.title} />
      <div class="toolbar">
        <select
          data-testid="timeline-camera"
          aria-label={t.timeline.camera}
          value={camera.id}
          onChange={(e) => {
            setSaid("");
            setCameraId(e.currentTarget.value);
          }}
        >
          {all.map((c) => (
            <option key={c.id} value={c.id}>
              {c.name || c.id}
            </option>
          ))}
        </select>
        {hasSub && (
          <Segments
            label={t.timeline.stream}
            value={kind}
            choices={[
              ["main", t.timeline.main],
              ["sub", t.timeline.sub],
            ]}
            onChoose={setStream}
          />
        )}
        <div class="day">
          <button type="button" class="icon-button" aria-label={t.timeline.before} onClick={() => goDay(dayOf(bounds.from - HOUR))}>
            <Icon name="back" />
          </button>
          <input
            type="date"
            aria-label={t.timeline.day}
            value={dayName(bounds.from)}
            max={dayName(today.from)}
            onChange={(e) => goDay(dayFromName(e.currentTarget.value))}
          />
          <button
            type="button"
            class="icon-button"
            aria-label={t.timeline.after}
            disabled={bounds.from >= today.from}
            onClick={() => goDay(dayOf(bounds.to + HOUR))}
          >
            <Icon name="next" />
          </button>
        </div>
      </div>

      <Player
        camera={camera.id}
        stream={kind}
        codecs={codecs}
        ratio={shape && shape.width > 0 ? `${shape.width} / ${shape.height}` : "16 / 9"}
        spans={coverage?.spans ?? NONE}
        wish={wish}
        onMoment={onMoment}
        onNews={setSaid}
        onEnd={() => fetchCoverage().then((fresh) => fresh.spans)}
      />

      <p class="said" role="status">
        {said}
      </p>
      {trouble && <Trouble>{trouble}</Trouble>}

      <div class="strip-card">
        <div class="strip-head">
          <p class="faint">
            {coverage && (recorded > 0 ? t.timeline.recordedFor(duration(recorded)) : t.timeline.noFootage)}
          </p>
          <div class="zoom">
            <button type="button" class="icon-button" aria-label={t.timeline.wider} disabled={isWhole(view, bounds)} onClick={() => zoomBy(2)}>
              <Icon name="minus" />
            </button>
            <button type="button" class="text-button zoom-span" title={t.timeline.whole} onClick={() => setView(bounds)}>
              {hours(view.to - view.from)}
            </button>
            <button type="button" class="icon-button" aria-label={t.timeline.closer} disabled={view.to - view.from <= HOUR} onClick={() => zoomBy(0.5)}>
              <Icon name="plus" />
            </button>
          </div>
        </div>
        <Strip
          bounds={bounds}
          view={view}
          coverage={coverage ?? NOTHING}
          events={events}
          held={held}
          playMs={playMs}
          nowMs={nowMs}
          onView={setView}
          onSeek={seek}
        />
        <p class="legend">
          <span class="key footage">{t.timeline.recorded}</span>
          <span class="key gap">{t.timeline.gap}</span>
          <span class="key mark">{t.timeline.event}</span>
          {faults.length < (coverage?.gaps.length ?? 0) && <span class="key quiet">{t.timeline.quiet}</span>}
          {held.length > 0 && <span class="key held">{t.keep.kept}</span>}
          <span class="spring" />
          <span class="zone-name">{t.timeline.localTime}</span>
        </p>
        {recorded > 0 && mayOperate.value && (
          <button type="button" class="button keep" data-testid="keep" onClick={() => setKeeping(true)}>
            <Icon name="keep" />
            {t.keep.keep}
          </button>
        )}
      </div>
      {keeping && (
        <Seldom
          show={({ KeepSheet }) => (
            <KeepSheet
              camera={camera}
              more={all.length > 1}
              moment={playMs === null ? null : untilNow(playMs - AROUND.before, playMs + AROUND.after)}
              shown={untilNow(Math.max(view.from, coverage?.spans[0]?.from_ms ?? view.from), view.to)}
              onKept={(hold) => {
                setKeeping(false);
                setSaid(t.keep.done(bytes(hold.bytes)));
                fetchHolds();
              }}
              onClose={() => setKeeping(false)}
            />
          )}
        />
      )}
      {holds && holds.holds.length > 0 && (
        <Seldom show={({ HoldList }) => <HoldList all={holds} onGo={goHold} onChange={fetchHolds} />} />
      )}
      {faults.length > 0 && (
        <details class="gap-list">
          <summary>{t.timeline.gapsOf(faults.length)}</summary>
          <ul>
            {faults.map((gap) => (
              <li key={gap.from_ms}>
                <button type="button" onClick={() => seek(gap.from_ms - 5_000)}>
                  <span class="gap-when">
                    {hms(gap.from_ms)} – {gap.to_ms === null ? t.timeline.now : hms(gap.to_ms)}
                  </span>
                  <span>{gapWord(gap.cause, gap.words)}</span>
                  <span class="faint">{duration((gap.to_ms ?? nowMs) - gap.from_ms)}</span>
                </button>
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}

const NONE: readonly Span[] = [];
const NOTHING: Coverage = { spans: [], gaps: [] };

const isWhole = (view: Range, bounds: Range): boolean => view.to - view.from >= bounds.to - bounds.from;

function overlap(span: Span, bounds: Range): number {
  return Math.max(0, Math.min(span.to_ms, bounds.to) - Math.max(span.from_ms, bounds.from));
}

function gapSentence(gap: GapView, nowMs: number): string {
  const short = (gap.to_ms ?? nowMs) - gap.from_ms < 120_000;
  const name = short ? hms : hm;
  const to = gap.to_ms === null ? t.timeline.now : name(gap.to_ms);
  if (gap.cause === "quiet") return t.timeline.quietSaid(name(gap.from_ms), to);
  return t.timeline.gapSaid(name(gap.from_ms), to, gapWord(gap.cause, gap.words));
}
