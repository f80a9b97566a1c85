// An address, or a file of this device → the update agent.
import { useEffect, useRef, useState } from "preact/hooks";
import { bytes } from "../format.ts";
import { useAct } from "../parts/act.ts";
import { Trouble } from "../parts/small.tsx";
import { asks } from "./api.ts";
import { Field } from "./field.tsx";
import { upload } from "./upload.ts";
import { seldom } from "./words.ts";

interface InstallCardProps {
  /** No update goes on: one may begin. */
  isIdle: boolean;
  onAsked: () => Promise<void>;
}

/** It stays while a file is sent, whatever the agent says meanwhile; who leaves the page stops that. */
export function InstallCard({ isIdle, onAsked }: InstallCardProps) {
  const [url, setUrl] = useState("");
  const [file, setFile] = useState<File | null>(null);
  /** Bytes that have left; null: nothing is sent. */
  const [sent, setSent] = useState<number | null>(null);
  const stop = useRef(() => {});
  const { busy, trouble, act } = useAct();
  const w = seldom.update;
  useEffect(() => () => stop.current(), []);

  function send(file: File): void {
    void act(async () => {
      setSent(0);
      const sending = upload("/update/bundle", file, w.broke, setSent);
      stop.current = sending.stop;
      try {
        if (await sending.done) setFile(null);
      } finally {
        setSent(null);
      }
      await onAsked();
    });
  }

  if (!isIdle && sent === null) return null;
  return (
    <section class="card" data-testid="update-install">
      <h2>{w.install}</h2>
      {trouble && <Trouble>{trouble}</Trouble>}
      {sent !== null && file ? (
        <>
          <Bar label={w.sending} percent={(100 * sent) / Math.max(1, file.size)} words={seldom.health.used(bytes(sent), bytes(file.size))} />
          <p class="hint">{w.stay}</p>
          <button type="button" class="button wide" data-testid="update-stop" onClick={() => stop.current()}>
            {w.stop}
          </button>
        </>
      ) : (
        <>
          <p class="hint">{w.lead}</p>
          <label class="field">
            <span>{w.file}</span>
            <input type="file" data-testid="update-file" onChange={(e) => setFile(e.currentTarget.files?.[0] ?? null)} />
          </label>
          <button
            type="button"
            class="button wide"
            data-testid="update-send"
            disabled={busy || !file}
            onClick={() => file && send(file)}
          >
            {w.send}
          </button>
          <form
            onSubmit={(e) => {
              e.preventDefault();
              void act(() => asks.install(url.trim()).then(onAsked));
            }}
          >
            <Field label={w.url} value={url} onValue={setUrl} testid="update-url" type="url" autocomplete="off" />
            <button type="submit" class="button wide" data-testid="update-fetch" disabled={busy || !url.trim()}>
              {w.fetch}
            </button>
          </form>
        </>
      )}
    </section>
  );
}

/** How far something is, in per cent and words. */
export function Bar({ label, percent, words }: { label: string; percent: number; words: string }) {
  const whole = Math.min(100, Math.floor(percent));
  return (
    <>
      <progress aria-label={label} max={100} value={whole} data-testid="update-progress" />
      <p class="bar-words">{[`${whole} %`, words].filter(Boolean).join(" · ")}</p>
    </>
  );
}
