// Who outside is told: each target with its state, what waits, what failed and why; a test, another try, and this device itself.
import { useState } from "preact/hooks";
import { moment, number } from "../format.ts";
import { useAct } from "../parts/act.ts";
import { Chip, Empty, Fact, Facts, Head, Loading, Trouble, type Tone } from "../parts/small.tsx";
import { linkTo } from "../route.ts";
import { mayOperate, serverNow } from "../store.ts";
import type { AlarmState, AlarmView, Told } from "../types.ts";
import { asks } from "./api.ts";
import { useFresh } from "./fresh.ts";
import { PushCard } from "./push-card.tsx";
import { seldom } from "./words.ts";

const FRESH_MS = 3_000;
/** Messages of a kind that are shown. */
const SHOWN = 8;
const TONES: Record<AlarmState, Tone> = { idle: "calm", working: "good", retrying: "warn", broken: "bad" };

export function Alarms() {
  const [all, setAll] = useState<AlarmView[] | null>(null);
  const look = (): Promise<void> => asks.alarms().then(setAll);
  useFresh(FRESH_MS, look);
  return (
    <>
      <Head title={seldom.alarms.title} back={linkTo("outputs")} />
      {all === null && <Loading />}
      {all?.length === 0 && (
        <Empty icon="outputs" title={seldom.alarms.empty}>
          {seldom.alarms.emptyMend}
        </Empty>
      )}
      <div class="panels">
        {all?.map((alarm) => (
          <Target key={alarm.id} alarm={alarm} onAsked={look} />
        ))}
        <PushCard />
      </div>
    </>
  );
}

function Target({ alarm, onAsked }: { alarm: AlarmView; onAsked: () => Promise<void> }) {
  const [said, setSaid] = useState("");
  const { busy, trouble, act } = useAct();
  const w = seldom.alarms;
  const isGood = (told: Told): boolean => told.outcome === "delivered";
  const [failures, arrived] = [alarm.history.filter((told) => !isGood(told)), alarm.history.filter(isGood)];
  const ask = (what: () => Promise<unknown>, words: string): void =>
    void act(async () => {
      setSaid("");
      await what();
      setSaid(words);
      await onAsked();
    });
  return (
    <section class="card" data-testid={`alarm-${alarm.id}`} data-state={alarm.state}>
      <header>
        <h2>{alarm.kind === "webhook" ? `${w.kind.webhook} ${alarm.id}` : (w.kind[alarm.kind] ?? alarm.id)}</h2>
        <Chip tone={TONES[alarm.state] ?? "calm"}>{w.state[alarm.state] ?? alarm.state}</Chip>
      </header>
      {alarm.error && <Trouble>{alarm.error}</Trouble>}
      <Facts>
        <Fact name={w.target}>{alarm.target}</Fact>
        <Fact name={w.waiting}>{number(alarm.waiting)}</Fact>
        <Fact name={w.delivered}>{number(alarm.delivered)}</Fact>
        {alarm.failed > 0 && <Fact name={w.failed}>{number(alarm.failed)}</Fact>}
        {alarm.dropped > 0 && <Fact name={w.dropped}>{number(alarm.dropped)}</Fact>}
        {alarm.dropped_detections > 0 && <Fact name={w.boxes}>{number(alarm.dropped_detections)}</Fact>}
      </Facts>
      <p class="hint">{alarm.offline}</p>
      {mayOperate.value && (
        <div class="toolbar">
          <button
            type="button"
            class="button"
            data-testid={`alarm-test-${alarm.id}`}
            disabled={busy}
            onClick={() => ask(() => asks.testAlarm(alarm.id), w.tested)}
          >
            {w.test}
          </button>
          {said && <span role="status">{said}</span>}
        </div>
      )}
      {trouble && <Trouble>{trouble}</Trouble>}
      <Messages
        title={w.failures}
        all={failures}
        busy={busy}
        onAgain={mayOperate.value ? (told) => ask(() => asks.tellAgain(alarm.id, told.id), "") : null}
      />
      <Messages title={w.arrived} all={arrived} busy={busy} onAgain={null} />
    </section>
  );
}

interface MessagesProps {
  title: string;
  all: readonly Told[];
  busy: boolean;
  onAgain: ((told: Told) => void) | null;
}

function Messages({ title, all, busy, onAgain }: MessagesProps) {
  const w = seldom.alarms;
  if (all.length === 0) return null;
  return (
    <details class="gap-list holds" open={all.some((told) => told.outcome !== "delivered")}>
      <summary>
        {title} ({all.length})
      </summary>
      <ul>
        {all.slice(0, SHOWN).map((told) => (
          <li key={told.id} data-testid="alarm-told" data-outcome={told.outcome}>
            <span class="told">
              {moment(told.at_ms, serverNow())} · {told.subject}
              <br />
              <span class="faint">
                {[w.outcome[told.outcome] ?? told.outcome, w.tries(told.tries), told.words].filter(Boolean).join(" · ")}
              </span>
            </span>
            {onAgain && (
              <button type="button" class="text-button" data-testid="alarm-again" disabled={busy} onClick={() => onAgain(told)}>
                {w.again}
              </button>
            )}
          </li>
        ))}
      </ul>
    </details>
  );
}
