// What runs, the update that goes on and what became of others; installs from an address or a file, cancels, starts the new system.
import { useRef, useState } from "preact/hooks";
import { ApiError } from "../api.ts";
import { useAct } from "../parts/act.ts";
import { Confirm } from "../parts/confirm.tsx";
import { Chip, Empty, Fact, Facts, Head, Loading, Trouble, type Tone } from "../parts/small.tsx";
import { linkTo } from "../route.ts";
import { sentOut, serverNow } from "../store.ts";
import type { UpdateEntry, UpdateResult, UpdateStatus } from "../types.ts";
import { t } from "../words.ts";
import { asks } from "./api.ts";
import { useFresh } from "./fresh.ts";
import { Bar, InstallCard } from "./install-card.tsx";
import { doing, facts, goesOn, isLeaving, lacks, versions } from "./progress.ts";
import { seldom } from "./words.ts";

const FRESH_MS = 2_000;
const TONES: Record<UpdateResult, Tone> = { kept: "good", "rolled-back": "warn", failed: "bad", refused: "bad", cancelled: "calm" };

export function Update() {
  const [status, setStatus] = useState<UpdateStatus | null>(null);
  const [fault, setFault] = useState<ApiError | null>(null);
  const [history, setHistory] = useState<UpdateEntry[]>([]);
  /** A question waits for its answer, and of which last update the history is. */
  const asked = useRef({ waits: false, last: "" });
  const w = seldom.update;

  async function look(): Promise<void> {
    const a = asked.current;
    if (a.waits) return;
    a.waits = true;
    try {
      const now = await asks.update();
      const last = now.last?.action ?? "";
      if (a.last !== last) setHistory((await asks.updates()).entries);
      a.last = last;
      setStatus(now);
      setFault(null);
    } catch (error) {
      if (!sentOut(error) && error instanceof ApiError) setFault(error);
    } finally {
      a.waits = false;
    }
  }
  useFresh(FRESH_MS, look);

  return (
    <>
      <Head title={w.title} back={linkTo("health")} />
      {fault && <Fault fault={fault} status={status} />}
      {!status && !fault && <Loading />}
      {status && (
        <>
          <div class="panels">
            {goesOn(status) && <GoingOn status={status} isThere={fault === null} onAsked={look} />}
            <System status={status} />
            <InstallCard isIdle={status.step === "idle"} onAsked={look} />
          </div>
          <h2>{w.history}</h2>
          {history.length === 0 && <p class="faint">{w.empty}</p>}
          <ul class="rule-list">
            {history.map((entry) => (
              <li key={entry.action} class="card rule" data-testid="update-entry" data-result={entry.result}>
                <Result entry={entry} />
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

/** Nobody answers: expected while the board starts anew, so on a machine without an agent, else as it is said. */
function Fault({ fault, status }: { fault: ApiError; status: UpdateStatus | null }) {
  const w = seldom.update;
  const isSilent = fault.status === 0 || fault.status >= 502;
  if (status && isSilent && isLeaving(status)) {
    return (
      <p class="note" role="status" data-testid="update-away">
        {w.away}
      </p>
    );
  }
  if (!status && fault.status === 503) {
    return (
      <div data-testid="update-none">
        <Empty icon="health" title={w.none} />
      </div>
    );
  }
  return <Trouble>{fault.message}</Trouble>;
}

interface GoingOnProps {
  status: UpdateStatus;
  /** The agent answers: it may be asked for something. */
  isThere: boolean;
  onAsked: () => Promise<void>;
}

function GoingOn({ status, isThere, onAsked }: GoingOnProps) {
  const [asking, setAsking] = useState(false);
  const { busy, trouble, act } = useAct();
  const w = seldom.update;
  const { step, progress } = status;
  const lacking = lacks(status);
  const ask = (what: () => Promise<void>): void => void act(() => what().then(onAsked));
  return (
    <section class="card" data-testid="update" data-step={step}>
      <h2>{w.to(status.target ?? "")}</h2>
      <p role="status">{doing(status)}</p>
      {step === "installing" && progress && <Bar label={w.copied} percent={progress.percent} words={progress.words} />}
      {lacking.length > 0 && (
        <>
          <h3>{w.gate}</h3>
          <ul class="points" data-testid="update-lacks">
            {lacking.map((words) => (
              <li key={words}>{words}</li>
            ))}
          </ul>
        </>
      )}
      {status.origin && (
        <Facts>
          <Fact name={w.wanted}>{w.origin[status.origin] ?? status.origin}</Fact>
        </Facts>
      )}
      {isThere && trouble && <Trouble>{trouble}</Trouble>}
      <div class="toolbar">
        {isThere && step === "installed" && (
          <button
            type="button"
            class="button primary"
            data-testid="update-restart"
            disabled={busy}
            onClick={() => setAsking(true)}
          >
            {w.restart}
          </button>
        )}
        {isThere && status.can_cancel && (
          <button type="button" class="button" data-testid="update-cancel" disabled={busy} onClick={() => ask(asks.cancelUpdate)}>
            {w.cancel}
          </button>
        )}
      </div>
      {asking && (
        <Confirm
          title={w.restartAsk}
          yes={w.restart}
          no={t.cancel}
          testid="restart"
          onYes={() => {
            setAsking(false);
            ask(asks.startUpdate);
          }}
          onNo={() => setAsking(false)}
        >
          <p>{w.restartBody}</p>
        </Confirm>
      )}
    </section>
  );
}

function System({ status }: { status: UpdateStatus }) {
  const w = seldom.update;
  return (
    <section class="card" data-testid="update-system">
      <h2>{w.system}</h2>
      {status.step === "starting" && <p class="mend">{status.words}</p>}
      <Facts>
        <Fact name={seldom.health.version}>{status.version || "–"}</Fact>
        <Fact name={w.slot}>{status.slot || "–"}</Fact>
        {status.floor && <Fact name={w.floor}>{status.floor}</Fact>}
      </Facts>
      {status.last && (
        <>
          <h3>{w.last}</h3>
          <Result entry={status.last} />
        </>
      )}
    </section>
  );
}

function Result({ entry }: { entry: UpdateEntry }) {
  return (
    <>
      <p>
        {versions(entry)} <Chip tone={TONES[entry.result] ?? "calm"}>{seldom.update.result[entry.result] ?? entry.result}</Chip>
      </p>
      <p>{entry.reason}</p>
      <p class="hint">{facts(entry, serverNow())}</p>
    </>
  );
}
