// A draft of rules, zones or limits → tried on what happened, put in force, or let go again: in the same way for all of them.
import { useEffect, useState } from "preact/hooks";
import { useAct } from "../parts/act.ts";
import { Confirm } from "../parts/confirm.tsx";
import { Loading, Trouble } from "../parts/small.tsx";
import { epoch, isAdmin } from "../store.ts";
import type { Rehearsal } from "../types.ts";
import { t } from "../words.ts";
import { Rehearsed } from "./rehearsed.tsx";
import { seldom } from "./words.ts";

const HOURS = 24;

interface DraftProps {
  /** Another value is another draft: what was tried before says nothing of it. */
  draft: unknown;
  /** Begins the test ids. */
  name: string;
  /** There is nothing that could be tried. */
  isBad?: boolean;
  onTry: (hours: number) => Promise<Rehearsal>;
  onSave: () => Promise<void>;
  /** Null: there is nothing to go back from. */
  onBack: (() => Promise<void>) | null;
}

/** What is kept at the recorder. After `renew` it is fetched again as soon as the recorder is back. */
export function useKept<T>(get: () => Promise<T>): { kept: T | null; trouble: string; isRenewed: boolean; renew: () => void } {
  const [kept, setKept] = useState<T | null>(null);
  const [since, setSince] = useState<number | null>(null);
  const { trouble, act } = useAct();
  const now = epoch.value;
  const fetch = (): void => void act(async () => setKept(await get()));
  useEffect(fetch, []);
  useEffect(() => {
    if (since === null || now <= since) return;
    setSince(null);
    fetch();
  }, [now, since]);
  const renew = (): void => {
    setKept(null);
    setSince(now);
  };
  return { kept, trouble, isRenewed: since !== null, renew };
}

/** Where what is shown comes from, or why it is not there yet. */
export function KeptHead({ kept, trouble, isRenewed }: { kept: { is_own: boolean } | null; trouble: string; isRenewed: boolean }) {
  const w = seldom.draft;
  if (kept) return <p class="faint">{kept.is_own ? w.own : w.configured}</p>;
  return (
    <>
      {isRenewed && <p role="status">{w.saved}</p>}
      {trouble ? <Trouble>{trouble}</Trouble> : <Loading />}
    </>
  );
}

export function Draft({ draft, name, isBad = false, onTry, onSave, onBack }: DraftProps) {
  const [told, setTold] = useState<Rehearsal | null>(null);
  const [asking, setAsking] = useState<"save" | "back" | null>(null);
  const [done, setDone] = useState(false);
  const { busy, trouble, act } = useAct();
  const w = seldom.draft;
  useEffect(() => {
    setTold(null);
    setDone(false);
  }, [draft]);

  function change(): void {
    const ask = asking === "save" ? onSave : onBack;
    setAsking(null);
    if (!ask) return;
    void act(async () => {
      await ask();
      setTold(null);
      setDone(true);
    });
  }

  const button = (what: "save" | "back", disabled: boolean, style = "") => (
    <button
      type="button"
      class={`button ${style}`}
      data-testid={`${name}-${what}`}
      disabled={busy || disabled}
      onClick={() => setAsking(what)}
    >
      {w[what]}
    </button>
  );
  return (
    <>
      <div class="toolbar">
        <button
          type="button"
          class="button"
          data-testid={`${name}-try`}
          disabled={busy || isBad}
          onClick={() => void act(async () => setTold(await onTry(HOURS)))}
        >
          {w.attempt(HOURS)}
        </button>
        {isAdmin.value && button("save", isBad || told === null, "primary")}
        {isAdmin.value && onBack && button("back", false)}
      </div>
      {done ? <p role="status">{w.saved}</p> : told === null && <p class="faint">{w.first}</p>}
      {trouble && <Trouble>{trouble}</Trouble>}
      {told && <Rehearsed told={told} />}
      {asking && (
        <Confirm
          title={`${w[asking]}?`}
          yes={w[asking]}
          no={t.cancel}
          testid={name}
          onYes={change}
          onNo={() => setAsking(null)}
        >
          <p>{w.restarts}</p>
        </Confirm>
      )}
    </>
  );
}
