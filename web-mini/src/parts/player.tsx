// "Play this moment" → a <video> with the window around it, then the next window; tells which wall time plays.
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, probeVideo, urls } from "../api.ts";
import { fullDay, hm, hms } from "../format.ts";
import { sentOut } from "../store.ts";
import { landing, nextSpan, type Landing, type Range } from "../timeline.ts";
import type { Span, StreamKind } from "../types.ts";
import { t } from "../words.ts";
import { Icon } from "./icon.tsx";
import { Trouble } from "./small.tsx";

/** A wish to play; a new object each time, so that the same moment can be asked for twice. */
export interface Wish {
  ms: number;
}

interface PlayerProps {
  camera: string;
  stream: StreamKind;
  codecs: string;
  /** CSS aspect ratio of the picture. */
  ratio: string;
  spans: readonly Span[];
  wish: Wish | null;
  onMoment: (ms: number | null) => void;
  /** A window ended: the footage after it, in words, or that there is none. */
  onNews: (words: string) => void;
  /** Fetches coverage again, for the end of the newest footage. */
  onEnd: () => Promise<readonly Span[]>;
}

interface Loaded extends Range {
  /** Wall time at media time 0. */
  startMs: number;
}

export function Player({ camera, stream, codecs, ratio, spans, wish, onMoment, onNews, onEnd }: PlayerProps) {
  const video = useRef<HTMLVideoElement>(null);
  const loaded = useRef<Loaded | null>(null);
  const turn = useRef(0);
  const [range, setRange] = useState<Range | null>(null);
  const [trouble, setTrouble] = useState("");
  const [moment, setMoment] = useState<number | null>(null);

  async function load({ at, window }: Landing): Promise<void> {
    const mine = ++turn.current;
    const element = video.current;
    if (!element) return;
    // From here on what still plays is no longer what was asked for.
    loaded.current = null;
    element.pause();
    setTrouble("");
    setRange(window);
    show(at);
    try {
      const url = urls.video(camera, stream, window.from, window.to);
      const startMs = (await probeVideo(url)) ?? window.from;
      if (mine !== turn.current) return;
      loaded.current = { ...window, startMs };
      element.src = url;
      if (at - startMs > 200) element.currentTime = (at - startMs) / 1000;
      await element.play().catch(() => undefined); // not allowed without a tap: the controls are there
    } catch (error) {
      if (mine !== turn.current || sentOut(error)) return;
      setTrouble(error instanceof ApiError ? error.message : String(error));
    }
  }

  // Another camera or stream: what plays belongs to the old one.
  useEffect(() => {
    turn.current += 1;
    loaded.current = null;
    video.current?.removeAttribute("src");
    video.current?.load();
    setRange(null);
    setTrouble("");
    show(null);
  }, [camera, stream]);

  useEffect(() => {
    if (!wish) return;
    const now = loaded.current;
    const element = video.current;
    if (now && element && element.readyState > 0 && wish.ms >= now.from && wish.ms < now.to) {
      element.currentTime = Math.max(0, (wish.ms - now.startMs) / 1000);
      void element.play().catch(() => undefined);
      return;
    }
    const found = landing(spans, wish.ms);
    if (found) void load(found);
  }, [wish]);

  function show(ms: number | null): void {
    setMoment(ms);
    onMoment(ms);
  }

  function onTime(): void {
    const now = loaded.current;
    if (now && video.current) show(Math.round(now.startMs + video.current.currentTime * 1000));
  }

  async function onEnded(): Promise<void> {
    const now = loaded.current;
    if (!now) return;
    const fresh = await onEnd().catch(() => spans);
    const next = nextSpan(fresh, now.to);
    const found = next && landing(fresh, Math.max(next.from_ms, now.to));
    // Less than a second more than was played is the fragment that is being written.
    if (!found || found.window.to - now.to < 1_000) return onNews(t.timeline.newest);
    if (found.window.from > now.to + 1_000) onNews(t.timeline.continued(hms(found.window.from)));
    await load(found);
  }

  function onError(): void {
    if (!loaded.current || !video.current?.error) return;
    setTrouble(t.timeline.cannotPlay(codecs));
  }

  return (
    <section class="player" aria-label={t.timeline.playing}>
      <div class="player-picture" style={{ aspectRatio: ratio }}>
        <video
          ref={video}
          data-testid="timeline-video"
          playsInline
          controls={range !== null}
          preload="auto"
          onTimeUpdate={onTime}
          onSeeking={onTime}
          onLoadedData={onTime}
          onEnded={() => void onEnded()}
          onError={onError}
        />
        {range === null && (
          <div class="no-picture">
            <Icon name="film" />
            <p>{t.timeline.choose}</p>
          </div>
        )}
      </div>
      {trouble && <Trouble>{trouble}</Trouble>}
      <div class="player-foot">
        <p class="playing-at" data-testid="playing-at" data-ms={moment ?? ""}>
          {moment === null ? (
            <span class="faint">--:--:--</span>
          ) : (
            <>
              <b>{hms(moment)}</b>
              <span>{fullDay(moment)}</span>
            </>
          )}
        </p>
        {range && (
          <a
            class="button"
            href={urls.video(camera, stream, range.from, range.to, true)}
            download
            aria-label={t.timeline.download(hm(range.from), hm(range.to))}
          >
            <Icon name="download" />
            {hm(range.from)} – {hm(range.to)}
          </a>
        )}
      </div>
    </section>
  );
}
