// One output: its level now, why it moved, and a test that asks first.
import { useState } from "preact/hooks";
import { api } from "../api.ts";
import { duration, moment } from "../format.ts";
import { applyOutput, mayOperate, serverNow } from "../store.ts";
import type { OutputStatus } from "../types.ts";
import { t } from "../words.ts";
import { useAct } from "./act.ts";
import { Confirm } from "./confirm.tsx";
import { Fact, Facts, Segments, Trouble } from "./small.tsx";
import { useTick } from "./visible.ts";

const PULSES_MS = [500, 1000, 2000, 5000] as const;

export function OutputCard({ output }: { output: OutputStatus }) {
  const { id, line, on, until_ms: until } = output;
  const [asking, setAsking] = useState(false);
  const { busy, trouble, act } = useAct();
  const [pulse, setPulse] = useState(1000);
  const [done, setDone] = useState("");
  useTick(250, on && until !== null);
  const now = serverNow();
  const simulated = output.driver === "sim";

  function move(ask: () => Promise<OutputStatus>, done: string): void {
    setAsking(false);
    setDone("");
    void act(async () => {
      applyOutput(await ask());
      setDone(done);
    });
  }

  return (
    <article class={on ? "card output on" : "card output"} data-testid={`output-${id}`}>
      <header>
        <h2>{id}</h2>
        <p class={on ? "level on" : "level"} data-testid={`output-level-${id}`} data-on={on} role="status">
          {on ? t.outputs.on : t.outputs.off}
        </p>
      </header>
      {output.error && <Trouble>{output.error}</Trouble>}
      <Facts>
        <Fact name={t.outputs.line}>
          <code>{line}</code>
        </Fact>
        <Fact name={t.outputs.driver}>{output.driver}</Fact>
        <Fact name={t.outputs.safe}>{output.safe_on ? t.outputs.on : t.outputs.off}</Fact>
        <Fact name={t.outputs.moves}>
          {t.outputs.times(output.moves)} {t.outputs.sinceStart}
        </Fact>
        <Fact name={t.outputs.cause}>{output.cause ?? t.none}</Fact>
        <Fact name={t.outputs.moved}>{output.moved_ms === null ? t.never : moment(output.moved_ms, now)}</Fact>
      </Facts>
      <footer>
        <p class="faint" role="status">
          {on && until !== null && until > now
            ? t.outputs.left(duration(Math.ceil((until - now) / 100) * 100))
            : done || (mayOperate.value ? "" : t.outputs.viewerOnly)}
        </p>
        {on !== output.safe_on && (
          <button
            type="button"
            class="button danger"
            data-testid={`output-off-${id}`}
            disabled={busy || !mayOperate.value}
            onClick={() => move(() => api.switchOff(id), t.outputs.isSafe(id))}
          >
            {t.outputs.toSafe(output.safe_on)}
          </button>
        )}
        <button
          type="button"
          class="button"
          data-testid={`output-test-${id}`}
          aria-label={t.outputs.testOf(id)}
          disabled={busy || !mayOperate.value}
          onClick={() => setAsking(true)}
        >
          {t.outputs.test}
        </button>
      </footer>
      {trouble && <Trouble>{trouble}</Trouble>}
      {asking && (
        <Confirm
          title={t.outputs.ask(id)}
          yes={t.outputs.yes(id, duration(pulse))}
          no={t.cancel}
          testid="output"
          onYes={() => move(() => api.testOutput(id, pulse), t.outputs.done(id, duration(pulse)))}
          onNo={() => setAsking(false)}
        >
          <p>{simulated ? t.outputs.simBody(t.outputs.on, duration(pulse)) : t.outputs.askBody(line, t.outputs.on, duration(pulse))}</p>
          <Segments
            label={t.outputs.howLong}
            value={String(pulse)}
            choices={PULSES_MS.map((ms) => [String(ms), duration(ms)] as const)}
            onChoose={(ms) => setPulse(Number(ms))}
          />
        </Confirm>
      )}
    </article>
  );
}
