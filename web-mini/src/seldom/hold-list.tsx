// Holds → a list with sizes and the budget; a tap goes there, "let go" asks first.
import { useState } from "preact/hooks";
import { bytes, hm, shortDay } from "../format.ts";
import { cameraName, mayOperate } from "../store.ts";
import type { Hold, Holds } from "../types.ts";
import { t } from "../words.ts";
import { asks } from "./api.ts";
import { Budget } from "./budget.tsx";
import { seldom } from "./words.ts";
import { useAct } from "../parts/act.ts";
import { Confirm } from "../parts/confirm.tsx";
import { Trouble } from "../parts/small.tsx";

interface HoldListProps {
  all: Holds;
  onGo: (hold: Hold) => void;
  onChange: () => void;
}

export function HoldList({ all, onGo, onChange }: HoldListProps) {
  const [asking, setAsking] = useState<Hold | null>(null);
  const { trouble, act } = useAct();

  async function letGo({ id }: Hold): Promise<void> {
    setAsking(null);
    await act(async () => void (await asks.release(id)));
    onChange();
  }

  return (
    <details class="gap-list holds" data-testid="holds" open>
      <summary>{seldom.keep.list(all.holds.length)}</summary>
      <Budget label={seldom.health.kept} used={all.used_bytes} of={all.budget_bytes} />
      {trouble && <Trouble>{trouble}</Trouble>}
      <ul>
        {[...all.holds].reverse().map((hold) => (
          <li key={hold.id} data-testid="hold" data-id={hold.id}>
            <button type="button" onClick={() => onGo(hold)}>
              <span class="gap-when">{hold.note || when(hold)}</span>
              <span class="faint">
                {[
                  hold.note && when(hold),
                  hold.cameras.map(cameraName).join(", ") || seldom.keep.all,
                  bytes(hold.bytes),
                  hold.by.replace(/^\w+ /, ""),
                ]
                  .filter(Boolean)
                  .join(" · ")}
              </span>
            </button>
            {mayOperate.value && (
              <button type="button" class="text-button" data-testid="hold-release" onClick={() => setAsking(hold)}>
                {seldom.keep.letGo}
              </button>
            )}
          </li>
        ))}
      </ul>
      {asking && (
        <Confirm
          title={seldom.keep.ask}
          yes={seldom.keep.letGo}
          no={t.cancel}
          testid="release"
          onYes={() => void letGo(asking)}
          onNo={() => setAsking(null)}
        >
          <p>{seldom.keep.askBody(asking.note || when(asking))}</p>
        </Confirm>
      )}
    </details>
  );
}

const when = (hold: Hold): string => `${shortDay(hold.from_ms)}, ${hm(hold.from_ms)} – ${hm(hold.to_ms)}`;
