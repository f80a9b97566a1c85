// Live socket → a playing <video>, or the word why not. A class with no UI: the ladder is live → stills, and back.
import { chase, backOff } from "./chase.ts";
import { Feed } from "./feed.ts";
import { findMediaSource, type MediaSourceKind } from "./media-source.ts";
import type { LiveText } from "./types.ts";

export type Rung = "paused" | "connecting" | "live" | "stills";
export type Why = "no-mse" | "codec" | "failed" | "autoplay" | "ended" | "retrying";

export interface LiveStatus {
  rung: Rung;
  why: Why | null;
  /** Codec names, or what the recorder said. */
  detail: string;
}

/** Broken this often without playing well in between: stills. */
const FAILURES = 3;
/** Playing this long counts as well, ms. */
const WELL_MS = 5_000;
/** From stills the live stream is tried again after this, ms. */
const CLIMB_MS = 60_000;
/** No message or no progress for this long: the connection is dead, ms. */
const SILENCE_MS = 12_000;
const TICK_MS = 250;

export class LivePlayer {
  private readonly kind: MediaSourceKind | null = findMediaSource();
  private socket: WebSocket | null = null;
  private feed: Feed | null = null;
  private ticker: ReturnType<typeof setInterval> | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private running = false;
  private failures = 0;
  private waits = 0;
  private heardAt = 0;
  private movedAt = 0;
  private movedTo = -1;
  private playingSince = 0;
  private endedWith: string | null = null;
  private said = "";

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly url: string,
    private readonly onStatus: (status: LiveStatus) => void,
  ) {
    video.muted = true;
    video.playsInline = true;
  }

  /** Wall time at media time 0, ms; null before the first picture. */
  get originMs(): number | null {
    return this.feed?.originMs ?? null;
  }

  start(): void {
    if (this.running) return;
    this.running = true;
    this.failures = 0;
    this.video.addEventListener("error", this.onVideoError);
    if (this.kind) this.open();
    else this.say("stills", "no-mse");
  }

  /** Ends the connection; the last picture stays. */
  stop(): void {
    if (!this.running) return;
    this.running = false;
    this.video.removeEventListener("error", this.onVideoError);
    this.tearDown();
    this.video.pause();
    this.say("paused");
  }

  /** Stops and lets go of the video element. */
  close(): void {
    this.stop();
    this.video.removeAttribute("src");
    this.video.load();
  }

  private readonly onVideoError = (): void => {
    if (this.feed) this.fail();
  };

  private open(): void {
    const kind = this.kind;
    if (!this.running || !kind) return;
    this.tearDown();
    this.endedWith = null;
    this.heardAt = this.movedAt = performance.now();
    this.movedTo = -1;
    this.playingSince = 0;
    if (this.said === "" || this.said.startsWith("paused")) this.say("connecting");

    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onmessage = (message: MessageEvent<string | ArrayBuffer>) => {
      if (this.socket !== socket) return;
      this.heardAt = performance.now();
      if (typeof message.data !== "string") this.feed?.append(message.data);
      else this.onText(JSON.parse(message.data) as LiveText, kind);
    };
    socket.onclose = () => {
      if (this.socket === socket) this.fail();
    };
    this.ticker = setInterval(() => this.tick(), TICK_MS);
  }

  private onText(message: LiveText, kind: MediaSourceKind): void {
    if (message.type === "ended") {
      this.endedWith = message.error || "";
    } else if (message.type === "init") {
      if (!kind.make.isTypeSupported(message.mime)) {
        this.tearDown();
        this.say("stills", "codec", /codecs="([^"]*)"/.exec(message.mime)?.[1] ?? message.mime);
        return;
      }
      this.feed ??= new Feed(
        this.video,
        kind,
        () => this.onAppended(),
        () => this.fail(),
      );
      this.feed.init(message);
    }
    // "skipped" leaves a hole in the media time; `keepUp` steps over it.
  }

  private onAppended(): void {
    this.keepUp();
    if (this.video.paused) {
      this.video.play().catch((error: unknown) => {
        if (!(error instanceof DOMException) || error.name !== "NotAllowedError" || !this.running) return;
        this.tearDown();
        this.say("stills", "autoplay");
      });
    }
  }

  /** Stays near the newest picture and steps over holes. */
  private keepUp(): void {
    const newest = this.feed?.newest();
    if (!newest || !this.feed) return;
    const at = this.video.currentTime;
    if (at < newest.start) {
      // Before the first picture, or at the end of what came before a hole.
      if (!this.hasDataAt(at + 0.1)) this.video.currentTime = newest.start + 0.001;
      return;
    }
    const { jumpTo, rate } = chase(newest.end - at, this.feed.step);
    if (jumpTo !== null) this.video.currentTime = Math.max(newest.start, newest.end - jumpTo);
    if (this.video.playbackRate !== rate) this.video.playbackRate = rate;
  }

  private hasDataAt(at: number): boolean {
    const { buffered } = this.video;
    for (let i = 0; i < buffered.length; i += 1) {
      if (buffered.start(i) <= at && at < buffered.end(i)) return true;
    }
    return false;
  }

  private tick(): void {
    const now = performance.now();
    this.keepUp();
    const at = this.video.currentTime;
    if (this.feed && at !== this.movedTo && this.video.readyState >= 2) {
      if (this.movedTo >= 0) {
        if (!this.playingSince) this.playingSince = now;
        this.say("live");
      }
      this.movedTo = at;
      this.movedAt = now;
    }
    if (this.playingSince && now - this.playingSince > WELL_MS) {
      this.failures = 0;
      this.waits = 0;
    }
    if (now - this.heardAt > SILENCE_MS || now - this.movedAt > SILENCE_MS) this.fail();
  }

  /** The connection or the playback ended: wait and try again, or step down a rung. */
  private fail(): void {
    const ended = this.endedWith;
    const played = this.playingSince > 0;
    this.tearDown();
    if (!this.running) return;
    if (ended === null) this.failures += 1;
    if (this.failures >= FAILURES) {
      this.say("stills", "failed");
      this.failures = FAILURES - 1; // one more try after a while, then stills again
      this.retry = setTimeout(() => this.open(), CLIMB_MS);
      return;
    }
    // A camera that is away is no failure of this browser: the recorder says so and stills would not help.
    if (!this.said.startsWith("stills")) this.say("connecting", ended ? "ended" : "retrying", ended ?? "");
    if (played) this.waits = 0;
    this.retry = setTimeout(() => this.open(), backOff(this.waits, Math.random()));
    this.waits += 1;
  }

  private tearDown(): void {
    clearInterval(this.ticker);
    clearTimeout(this.retry);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.feed?.close();
    this.feed = null;
  }

  private say(rung: Rung, why: Why | null = null, detail = ""): void {
    const said = `${rung} ${why} ${detail}`;
    if (said === this.said) return;
    this.said = said;
    this.onStatus({ rung, why, detail });
  }
}
