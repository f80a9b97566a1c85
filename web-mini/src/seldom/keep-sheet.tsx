// A stretch of a camera's day → the sheet that keeps it: from, to, note, this camera or all.
import { useState } from "preact/hooks";
import type { Range } from "../timeline.ts";
import type { CameraStatus, Hold } from "../types.ts";
import { t } from "../words.ts";
import { asks } from "./api.ts";
import { Edges } from "./edges.tsx";
import { seldom } from "./words.ts";
import { useAct } from "../parts/act.ts";
import { Confirm } from "../parts/confirm.tsx";
import { Segments, Trouble } from "../parts/small.tsx";

interface KeepSheetProps {
  camera: CameraStatus;
  /** There are others. */
  more: boolean;
  /** Around what plays; null when nothing does. */
  moment: Range | null;
  shown: Range;
  onKept: (hold: Hold) => void;
  onClose: () => void;
}

export function KeepSheet({ camera, more, moment, shown, onKept, onClose }: KeepSheetProps) {
  const [what, setWhat] = useState<"moment" | "shown">(moment ? "moment" : "shown");
  const [range, setRange] = useState(moment ?? shown);
  const [note, setNote] = useState("");
  const [whose, setWhose] = useState<"one" | "all">("one");
  const { busy, trouble, setTrouble, act } = useAct();

  function keep(): void {
    if (range.from >= range.to) return setTrouble(seldom.keep.wrong);
    void act(async () =>
      onKept(await asks.hold(whose === "one" ? [camera.id] : [], Math.round(range.from), Math.round(range.to), note)),
    );
  }

  return (
    <Confirm
      title={seldom.keep.title}
      yes={t.keep.keep}
      no={t.cancel}
      testid="keep"
      calm
      busy={busy}
      onYes={keep}
      onNo={onClose}
    >
      <p class="hint">{seldom.keep.lead}</p>
      {moment && (
        <Segments
          label={seldom.keep.what}
          value={what}
          choices={[
            ["moment", seldom.keep.moment],
            ["shown", seldom.keep.shown],
          ]}
          onChoose={(next) => {
            setWhat(next);
            setRange(next === "moment" ? moment : shown);
          }}
        />
      )}
      <Edges range={range} name="keep" onRange={setRange} />
      <label class="field">
        <span>{seldom.keep.note}</span>
        <input
          data-testid="keep-note"
          maxLength={200}
          placeholder={seldom.keep.noteHint}
          value={note}
          onInput={(e) => setNote(e.currentTarget.value)}
        />
      </label>
      {more && (
        <Segments
          label={seldom.keep.cameras}
          value={whose}
          choices={[
            ["one", camera.name || camera.id],
            ["all", seldom.keep.all],
          ]}
          onChoose={setWhose}
        />
      )}
      {trouble && <Trouble>{trouble}</Trouble>}
    </Confirm>
  );
}
