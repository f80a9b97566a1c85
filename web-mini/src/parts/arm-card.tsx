// Armed or not: since when, who said so, and a switch that asks first.
import { useState } from "preact/hooks";
import { api } from "../api.ts";
import { since } from "../arm.ts";
import { moment } from "../format.ts";
import { applyArm, arm, inputs, mayOperate, rules, serverNow } from "../store.ts";
import { t } from "../words.ts";
import { useAct } from "./act.ts";
import { Confirm } from "./confirm.tsx";
import { Trouble } from "./small.tsx";

export function ArmCard() {
  const [asking, setAsking] = useState(false);
  const { busy, trouble, act } = useAct();
  const now = arm.value;
  // With no rule to hold back and no key-switch to turn it would say nothing.
  if (!now || !(rules.value?.length || inputs.value?.length)) return null;
  const { armed, since_ms, by } = now;
  const w = t.arm;

  function change(): void {
    setAsking(false);
    void act(async () => applyArm(await api.setArmed(!armed)));
  }

  return (
    <section class="card arm" data-testid="arm" data-armed={armed}>
      <header>
        <h2>{armed ? w.armed : w.disarmed}</h2>
        <button
          type="button"
          class={armed ? "button" : "button primary"}
          data-testid="arm-change"
          disabled={busy || !mayOperate.value}
          onClick={() => setAsking(true)}
        >
          {armed ? w.disarm : w.arm}
        </button>
      </header>
      <p class="faint">{since(moment(since_ms, serverNow()), by)}</p>
      {trouble && <Trouble>{trouble}</Trouble>}
      {asking && (
        <Confirm
          title={`${armed ? w.disarm : w.arm}?`}
          yes={armed ? w.disarm : w.arm}
          no={t.cancel}
          testid="arm"
          calm={!armed}
          onYes={change}
          onNo={() => setAsking(false)}
        >
          <p>{armed ? w.disarmBody : w.armBody}</p>
        </Confirm>
      )}
    </section>
  );
}
