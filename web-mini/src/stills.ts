// A snapshot address → a picture each second, as a blob address. The rung below the live stream.

const PERIOD_MS = 1_000;
const DEADLINE_MS = 5_000;

export class Stills {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private abort: AbortController | null = null;
  private shown: string | null = null;

  constructor(
    private readonly url: string,
    /** A blob address, valid until the next call; null when the recorder has no picture. */
    private readonly onPicture: (blobUrl: string | null) => void,
  ) {}

  start(): void {
    this.stop();
    void this.round();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.abort?.abort();
    this.abort = null;
  }

  /** Frees the last picture as well. */
  close(): void {
    this.stop();
    if (this.shown) URL.revokeObjectURL(this.shown);
    this.shown = null;
  }

  private async round(): Promise<void> {
    const abort = new AbortController();
    this.abort = abort;
    const deadline = setTimeout(() => abort.abort(), DEADLINE_MS);
    const began = performance.now();
    try {
      const answer = await fetch(this.url, { credentials: "same-origin", cache: "no-store", signal: abort.signal });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const next = URL.createObjectURL(await answer.blob());
      if (this.abort !== abort) {
        URL.revokeObjectURL(next);
        return;
      }
      const old = this.shown;
      this.shown = next;
      this.onPicture(next);
      if (old) setTimeout(() => URL.revokeObjectURL(old), PERIOD_MS);
    } catch {
      if (this.abort !== abort) return; // stopped on purpose
      this.onPicture(this.shown);
    } finally {
      clearTimeout(deadline);
    }
    if (this.abort === abort) {
      this.timer = setTimeout(() => void this.round(), Math.max(100, PERIOD_MS - (performance.now() - began)));
    }
  }
}
