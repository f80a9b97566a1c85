// The night shift → its card: what is looked at again and how far it is; a sheet that asks for a range.
import { useState } from "preact/hooks";
import { duration, hm, shortDay } from "../format.ts";
import { cameraName, cameras, health, mayOperate, sentOut, serverNow } from "../store.ts";
import type { Night } from "../types.ts";
import { labelWord, t } from "../words.ts";
import { asks } from "./api.ts";
import { Edges } from "./edges.tsx";
import { useFresh } from "./fresh.ts";
import { seldom } from "./words.ts";
import { useAct } from "../parts/act.ts";
import { Confirm } from "../parts/confirm.tsx";
import { Chip, Trouble } from "../parts/small.tsx";

const FRESH_MS = 5_000;
const HOUR_MS = 3_600_000;

export function NightCard() {
  const [night, setNight] = useState<Night | null>(null);
  const [asking, setAsking] = useState(false);
  const look = useFresh(FRESH_MS, () => asks.night().then(setNight));
  if (!night) return null;
  const w = seldom.night;
  return (
    <section class="card" data-testid="night" data-state={night.state}>
      <header>
        <h2>{w.title}</h2>
        <Chip tone={night.state === "working" ? "busy" : "calm"}>{w.state[night.state]}</Chip>
      </header>
      {night.left_s !== null && <p class="faint">{w.left(duration(night.left_s * 1000))}</p>}
      <ul class="holds">
        {night.jobs.map((job) => (
          <li key={job.id} data-testid="night-job" data-id={job.id}>
            <span>
              {cameraName(job.camera)}, {shortDay(job.from_ms)}, {hm(job.from_ms)} – {hm(job.to_ms)}
              <br />
              <span class="faint">
                {[w.why[job.reason], job.label && labelWord(job.label), w.found(job.found)].filter(Boolean).join(" · ")}
              </span>
              <br />
              <progress max={job.to_ms - job.from_ms} value={job.done_ms - job.from_ms} />
            </span>
            {mayOperate.value && (
              <button
                type="button"
                class="text-button"
                data-testid="night-drop"
                onClick={() => void asks.dropJob(job.id).catch(sentOut).then(look)}
              >
                {w.drop}
              </button>
            )}
          </li>
        ))}
      </ul>
      {mayOperate.value && night.state !== "off" && (
        <button type="button" class="button" data-testid="night-open" onClick={() => setAsking(true)}>
          {w.again}
        </button>
      )}
      {asking && (
        <Ask
          onClose={() => {
            setAsking(false);
            look();
          }}
        />
      )}
    </section>
  );
}

function Ask({ onClose }: { onClose: () => void }) {
  const [camera, setCamera] = useState(cameras.value?.[0]?.id ?? "");
  const [range, setRange] = useState(() => ({ from: serverNow() - HOUR_MS, to: serverNow() }));
  const [label, setLabel] = useState("");
  const { trouble, act } = useAct();
  const choice = (name: string, value: string, set: (v: string) => void, all: [string, string][]) => (
    <label class="field">
      <span>{name}</span>
      <select value={value} onChange={(e) => set(e.currentTarget.value)}>
        {all.map(([id, word]) => (
          <option key={id} value={id}>
            {word}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <Confirm
      title={seldom.night.again}
      yes={seldom.night.again}
      no={t.cancel}
      testid="night"
      calm
      onYes={() =>
        void act(async () => {
          await asks.lookAgain(camera, Math.round(range.from), Math.round(range.to), label || null);
          onClose();
        })
      }
      onNo={onClose}
    >
      <p class="hint">{seldom.night.lead}</p>
      {choice(t.events.camera, camera, setCamera, cameras.value?.map((c) => [c.id, c.name || c.id]) ?? [])}
      <Edges range={range} name="night" onRange={setRange} />
      {choice(t.events.label, label, setLabel, [
        ["", t.events.allClasses],
        ...(health.value?.eye.model.labels ?? []).map((l): [string, string] => [l, labelWord(l)]),
      ])}
      {trouble && <Trouble>{trouble}</Trouble>}
    </Confirm>
  );
}
