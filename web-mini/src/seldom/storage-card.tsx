// The storage → its card: state with the mend, how long footage stays, how the card lives; and its clock, when that is off.
import { useState } from "preact/hooks";
import { bytes, duration, moment, number } from "../format.ts";
import { cameraName, isAdmin, knock, serverNow } from "../store.ts";
import type { StorageState, StorageStatus, StorageView } from "../types.ts";
import { t } from "../words.ts";
import { asks } from "./api.ts";
import { Budget } from "./budget.tsx";
import { useFresh } from "./fresh.ts";
import { seldom } from "./words.ts";
import { useAct } from "../parts/act.ts";
import { Chip, Fact, Facts, Trouble, type Tone } from "../parts/small.tsx";

const FRESH_MS = 30_000;
/** A clock that is off by less is not worth a question, ms. */
const OFF_MS = 2_000;

/** The storage, and by how much its clock is ahead of this device's, ms. */
interface Seen {
  storage: StorageView;
  ahead: number;
}

export function useStorage(): [Seen | null, () => Promise<void>] {
  const [seen, set] = useState<Seen | null>(null);
  const get = async (): Promise<void> => {
    const asked = Date.now();
    const storage = await asks.storage();
    set({ storage, ahead: storage.clock.now_ms - (asked + Date.now()) / 2 });
  };
  useFresh(FRESH_MS, get);
  return [seen, get];
}

const tones: Record<StorageState, Tone> = {
  ok: "good",
  slow: "warn",
  missing: "bad",
  foreign: "bad",
  "read-only": "bad",
  full: "bad",
  failing: "bad",
};

export function StorageCard({ storage: s, more }: { storage: StorageStatus; more: StorageView | null }) {
  const w = seldom.health;
  return (
    <section class="card" data-testid="storage" data-state={s.state}>
      <header>
        <h2>{w.storage}</h2>
        <Chip tone={tones[s.state] ?? "calm"}>{w.storageState[s.state] ?? s.state}</Chip>
      </header>
      {s.state !== "ok" && <Trouble>{w.storageMend[s.state] ?? more?.mend}</Trouble>}
      <Budget label={w.storage} used={s.used_bytes} of={s.quota_bytes} />
      <Facts>
        {more && <Fact name={w.stays}>{w.forecast(more.forecast)}</Fact>}
        <Fact name={w.oldest}>{s.oldest_ms === null ? t.none : moment(s.oldest_ms, serverNow())}</Fact>
        {more && (
          <>
            <Fact name={w.kept}>{w.used(bytes(more.holds.used_bytes), bytes(more.holds.budget_bytes))}</Fact>
            <Fact name={w.life}>{w.lifeWords(more.life)}</Fact>
            {more.device.name && (
              <Fact name={w.device}>
                {[
                  more.device.name,
                  more.device.size_bytes && bytes(more.device.size_bytes),
                  more.device.life_used_percent !== null && w.lifeUsed(`${more.device.life_used_percent} %`),
                ]
                  .filter(Boolean)
                  .join(", ")}
              </Fact>
            )}
            <Fact name={w.written}>{bytes(more.wear.written_bytes)}</Fact>
            <Fact name={w.ratio}>{more.wear.ratio === null ? "–" : number(more.wear.ratio, 3)}</Fact>
            {more.damaged_records > 0 && <Fact name={w.damaged}>{number(more.damaged_records)}</Fact>}
            <Fact name={w.clock}>{more.clock.is_sure ? w.clockSure : w.clockUnsure}</Fact>
          </>
        )}
        <Fact name={w.free}>{w.freeOf(number(s.free_slabs), number(s.slabs))}</Fact>
        <Fact name={w.slowest}>{number(s.slowest_write_ms)} ms</Fact>
        <Fact name={w.folder}>
          <code>{s.path}</code>
        </Fact>
        {s.error && <Fact name={w.error}>{s.error}</Fact>}
      </Facts>
      {more && more.streams.length > 1 && (
        <details class="gap-list">
          <summary>{w.byStream}</summary>
          <Facts>
            {more.streams.map((s) => (
              <Fact key={s.camera + s.stream} name={`${cameraName(s.camera)}, ${t.timeline[s.stream]}`}>
                {w.forecast(s.forecast)}
              </Fact>
            ))}
          </Facts>
        </details>
      )}
    </section>
  );
}

/** Only when nothing vouches for the recorder's clock and it is off: then this device knows better. */
export function ClockCard({ seen: { storage, ahead }, onSet }: { seen: Seen; onSet: () => Promise<void> }) {
  const { trouble, act } = useAct();
  if (storage.clock.is_sure || Math.abs(ahead) <= OFF_MS) return null;
  const now = Date.now();
  const set = (): Promise<void> =>
    act(async () => {
      await asks.setClock(Date.now());
      await knock(true);
      await onSet();
    });
  return (
    <section class="card" data-testid="clock">
      <header>
        <h2>{seldom.health.clock}</h2>
        <Chip tone="warn">
          {ahead > 0 ? "+" : "−"}
          {duration(Math.abs(ahead))}
        </Chip>
      </header>
      <p>{seldom.health.clockOff(moment(now + ahead, now), moment(now, now))}</p>
      <p class="hint">{isAdmin.value ? seldom.health.clockThen : seldom.health.clockAdmin}</p>
      {trouble && <Trouble>{trouble}</Trouble>}
      {isAdmin.value && (
        <button type="button" class="button wide" data-testid="clock-set" onClick={() => void set()}>
          {seldom.health.clockSet}
        </button>
      )}
    </section>
  );
}
