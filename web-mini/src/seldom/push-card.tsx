// Messages on this device: whether it is told, what stands in the way in words, and the button that asks.
import { useEffect, useState } from "preact/hooks";
import { ApiError } from "../api.ts";
import { useAct } from "../parts/act.ts";
import { Trouble } from "../parts/small.tsx";
import type { PushView } from "../types.ts";
import { asks } from "./api.ts";
import { subscribe, subscription, unsubscribe, way } from "./push.ts";
import { seldom } from "./words.ts";

export function PushCard() {
  const [view, setView] = useState<PushView | "off" | null>(null);
  const [isOn, setOn] = useState(false);
  const { busy, trouble, setTrouble, act } = useAct();
  const w = seldom.push;
  const how = way();

  async function look(): Promise<void> {
    setView(await asks.push());
    setOn(how === "ready" && (await subscription()) !== null);
  }
  useEffect(() => {
    void act(async () => {
      await look().catch((error: unknown) => {
        if (!(error instanceof ApiError && error.status === 404)) throw error;
        setView("off");
      });
    });
  }, []);

  function ask(key: string): void {
    void act(async () => {
      const asked = subscribe(key).catch((error: unknown) => {
        throw error instanceof ApiError ? error : new Error(w.failed(error instanceof Error ? error.message : String(error)));
      });
      if (await asked) await look();
      else setTrouble(w.refused);
    });
  }

  return (
    <section class="card" data-testid="push" data-way={how} data-on={isOn}>
      <h2>{w.title}</h2>
      {view === "off" && <p>{w.off}</p>}
      {view && view !== "off" && (
        <>
          <p class="hint">{isOn ? w.on : w.way[how]}</p>
          {how === "ready" && (
            <button
              type="button"
              class={isOn ? "button" : "button primary"}
              data-testid="push-change"
              disabled={busy}
              onClick={() => (isOn ? void act(() => unsubscribe().then(look)) : ask(view.public_key))}
            >
              {isOn ? w.stop : w.ask}
            </button>
          )}
          <p class="hint">{w.browsers(view.browsers)}</p>
        </>
      )}
      {trouble && <Trouble>{trouble}</Trouble>}
    </section>
  );
}
