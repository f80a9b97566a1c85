// Init and media segments → one SourceBuffer: queued, trimmed, re-initialised. No sockets here; errors go to `onFail`.
import type { MediaSourceKind } from "./media-source.ts";
import type { LiveInit } from "./types.ts";

/** Seconds of video that stay behind the playing position's end. */
const KEEP_S = 10;
/** Segments that may wait for the SourceBuffer; more means that the device cannot keep up. */
const QUEUE = 60;

type Item = { bytes: ArrayBuffer } | { init: LiveInit };

export class Feed {
  private source: MediaSource | null = null;
  private buffer: SourceBuffer | null = null;
  private url: string | null = null;
  private queue: Item[] = [];
  private current: LiveInit | null = null;
  private lastEnd = 0;
  /** Seconds of video that arrive at once, the largest of the last few. */
  private steps: number[] = [];
  /** Wall time at media time 0; null before the first init. */
  originMs: number | null = null;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly kind: MediaSourceKind,
    private readonly onAppended: () => void,
    private readonly onFail: (why: string) => void,
  ) {}

  get step(): number {
    return this.steps.length ? Math.max(...this.steps) : 1;
  }

  /** End of the newest buffered stretch, and its start; null when nothing is there. */
  newest(): { start: number; end: number } | null {
    const ranges = this.ranges();
    if (!ranges || ranges.length === 0) return null;
    const last = ranges.length - 1;
    return { start: ranges.start(last), end: ranges.end(last) };
  }

  init(message: LiveInit): void {
    if (this.source) this.queue.push({ init: message });
    else this.open(message);
    this.pump();
  }

  append(bytes: ArrayBuffer): void {
    // Fragments between key frames depend on each other, so none can be left out: begin again at the newest.
    if (this.queue.length >= QUEUE) return this.onFail("this device is too slow");
    this.queue.push({ bytes });
    this.pump();
  }

  close(): void {
    this.queue = [];
    this.buffer = null;
    this.source = null;
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
  }

  private ranges(): TimeRanges | null {
    try {
      return this.buffer?.buffered ?? null;
    } catch {
      return null; // the buffer was removed from its source
    }
  }

  private open(message: LiveInit): void {
    const source = new this.kind.make();
    this.source = source;
    this.current = message;
    this.originMs = message.origin_ms;
    this.lastEnd = 0;
    source.addEventListener(
      "sourceopen",
      () => {
        if (this.source !== source) return;
        try {
          const buffer = source.addSourceBuffer(message.mime);
          this.buffer = buffer;
          buffer.addEventListener("updateend", () => {
            if (this.buffer !== buffer) return;
            this.measure();
            this.onAppended();
            this.pump();
          });
          buffer.addEventListener("error", () => this.buffer === buffer && this.onFail("append"));
          this.pump();
        } catch (error) {
          this.onFail(String(error));
        }
      },
      { once: true },
    );
    if (this.kind.managed) this.video.disableRemotePlayback = true; // or the browser refuses to open the source
    this.url = URL.createObjectURL(source);
    this.video.src = this.url;
  }

  private measure(): void {
    const newest = this.newest();
    if (!newest) return;
    const grown = newest.end - Math.max(this.lastEnd, newest.start);
    if (grown > 0.02 && grown < 10) this.steps = [...this.steps, grown].slice(-6);
    this.lastEnd = newest.end;
  }

  private pump(): void {
    const { buffer, source } = this;
    if (!buffer || !source || buffer.updating || source.readyState !== "open") return;
    if (this.trim(buffer, KEEP_S)) return;
    const item = this.queue.shift();
    if (!item) return;
    if ("init" in item) {
      this.reinit(buffer, item.init);
      this.pump();
      return;
    }
    try {
      buffer.appendBuffer(item.bytes);
    } catch (error) {
      if (error instanceof DOMException && error.name === "QuotaExceededError") {
        this.queue.unshift(item);
        if (!this.trim(buffer, 1)) this.onFail("quota");
      } else {
        this.onFail(String(error));
      }
    }
  }

  /** New parameters: the media time line goes on, so a later origin becomes an offset. */
  private reinit(buffer: SourceBuffer, next: LiveInit): void {
    const first = this.originMs ?? next.origin_ms;
    const offset = (next.origin_ms - first) / 1000;
    try {
      if (next.mime !== this.current?.mime) buffer.changeType(next.mime);
      if (Math.abs(buffer.timestampOffset - offset) > 0.001) buffer.timestampOffset = offset;
      this.current = next;
    } catch {
      // No changeType, or times before zero: begin a new source; the old picture stays until it plays.
      const rest = this.queue;
      this.close();
      this.queue = rest;
      this.open(next);
    }
  }

  /** Starts removing what is older than `keep` seconds; true while that runs. */
  private trim(buffer: SourceBuffer, keep: number): boolean {
    const ranges = this.ranges();
    if (!ranges || ranges.length === 0) return false;
    const start = ranges.start(0);
    const until = Math.min(this.video.currentTime - 1, ranges.end(ranges.length - 1) - keep);
    if (until - start < (keep > 1 ? 4 : 0.5)) return false;
    buffer.remove(start, until);
    return true;
  }
}
