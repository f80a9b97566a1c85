// The rules as text: tried on what happened before they are put in force.
import { useEffect, useState } from "preact/hooks";
import { moment } from "../format.ts";
import { useAct } from "../parts/act.ts";
import { Confirm } from "../parts/confirm.tsx";
import { Chip, Head, Loading, Trouble, type Tone } from "../parts/small.tsx";
import { linkTo } from "../route.ts";
import { isAdmin, serverNow } from "../store.ts";
import type { Move, Rehearsal } from "../types.ts";
import { t } from "../words.ts";
import { asks } from "./api.ts";
import { seldom } from "./words.ts";

const HOURS = 24;
const TONES: Record<Move["fate"], Tone> = { same: "calm", new: "warn", gone: "bad" };

export function Rules() {
  const [text, setText] = useState<string | null>(null);
  const [isOwn, setIsOwn] = useState(false);
  const [told, setTold] = useState<Rehearsal | null>(null);
  const [asking, setAsking] = useState<"save" | "back" | null>(null);
  const [done, setDone] = useState("");
  const { busy, trouble, act } = useAct();
  const w = seldom.rules;

  useEffect(() => {
    void act(async () => {
      const now = await asks.rulesText();
      setText(now.text);
      setIsOwn(now.is_own);
    });
  }, []);

  function rehearse(): void {
    setDone("");
    void act(async () => setTold(await asks.rehearse(text ?? "", HOURS)));
  }

  function save(rules: string | null): void {
    setAsking(null);
    void act(async () => {
      await asks.saveRules(rules);
      setTold(null);
      setDone(w.saved);
      setIsOwn(rules !== null);
      if (rules === null) setText(null);
    });
  }

  return (
    <>
      <Head title={t.outputs.rules} back={linkTo("outputs")} />
      <p class="faint">{isOwn ? w.own : w.configured}</p>
      {text === null && !done && <Loading />}
      {text !== null && (
        <>
          <textarea
            class="code"
            data-testid="rules-text"
            aria-label={t.outputs.rules}
            rows={14}
            value={text}
            autocapitalize="none"
            spellcheck={false}
            onInput={(e) => {
              setText(e.currentTarget.value);
              setTold(null);
            }}
          />
          <div class="toolbar">
            <button
              type="button"
              class="button"
              data-testid="rules-try"
              disabled={busy}
              onClick={rehearse}
            >
              {w.attempt(HOURS)}
            </button>
            {isAdmin.value && (
              <button
                type="button"
                class="button primary"
                data-testid="rules-save"
                disabled={busy || told === null}
                onClick={() => setAsking("save")}
              >
                {w.save}
              </button>
            )}
            {isAdmin.value && isOwn && (
              <button type="button" class="button" data-testid="rules-back" disabled={busy} onClick={() => setAsking("back")}>
                {w.back}
              </button>
            )}
          </div>
          {told === null && !done && <p class="faint">{w.first}</p>}
        </>
      )}
      {done && <p role="status">{done}</p>}
      {trouble && <Trouble>{trouble}</Trouble>}
      {told && <Told told={told} />}
      {asking && (
        <Confirm
          title={`${asking === "save" ? w.save : w.back}?`}
          yes={asking === "save" ? w.save : w.back}
          no={t.cancel}
          testid="rules"
          onYes={() => save(asking === "save" ? text : null)}
          onNo={() => setAsking(null)}
        >
          <p>{w.restarts}</p>
        </Confirm>
      )}
    </>
  );
}

/** The rules in sentences, and what they would have done. */
function Told({ told }: { told: Rehearsal }) {
  const w = seldom.rules;
  const now = serverNow();
  const count = (fate: Move["fate"]): number => told.moves.filter((move) => move.fate === fate).length;
  return (
    <section data-testid="rehearsal" role="status">
      <ul class="rule-list">
        {told.rules.map((rule) => (
          <li key={rule.id} class="card rule">
            <p>{rule.sentence}</p>
            <p class="faint">
              <code>{rule.id}</code>
            </p>
          </li>
        ))}
      </ul>
      <h2>{w.moves}</h2>
      <p>
        {w.counts(count("same"), count("new"), count("gone"))}
        {told.left_out > 0 && ` (+${told.left_out})`}
      </p>
      {told.since_ms === null ? <p>{w.nothing}</p> : <p class="faint">{w.since(moment(told.since_ms, now))}</p>}
      <ul class="rule-list">
        {told.moves
          .slice()
          .reverse()
          .map((move, n) => (
            <li key={n} class="card rule" data-fate={move.fate}>
              <p>
                {moment(move.at_ms, now)} · {move.output} {move.on ? t.outputs.on : t.outputs.off}{" "}
                <Chip tone={TONES[move.fate]}>{w.fates[move.fate]}</Chip>
              </p>
              <p class="faint">{move.cause}</p>
            </li>
          ))}
      </ul>
    </section>
  );
}
