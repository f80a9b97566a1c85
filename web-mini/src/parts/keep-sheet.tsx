// A stretch of a camera's day → the sheet that keeps it: from, to, note, this camera or all.
import { useState } from "preact/hooks";
import { api } from "../api.ts";
import { inputTime, timeFromInput, type Range } from "../timeline.ts";
import type { CameraStatus, Hold } from "../types.ts";
import { t } from "../words.ts";
import { useAct } from "./act.ts";
import { Confirm } from "./confirm.tsx";
import { Segments, Trouble } from "./small.tsx";

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
    if (range.from >= range.to) return setTrouble(t.keep.wrong);
    void act(async () =>
      onKept(await api.hold(whose === "one" ? [camera.id] : [], Math.round(range.from), Math.round(range.to), note)),
    );
  }

  const edge = (name: "from" | "to") => (
    <label class="field">
      <span>{t.keep[name]}</span>
      <input
        type="datetime-local"
        step="1"
        data-testid={`keep-${name}`}
        value={inputTime(range[name])}
        onChange={(e) => {
          const ms = timeFromInput(e.currentTarget.value, range[name]);
          if (ms !== null) setRange((old) => ({ ...old, [name]: ms }));
        }}
      />
    </label>
  );
  return (
    <Confirm
      title={t.keep.title}
      yes={t.keep.keep}
      no={t.cancel}
      testid="keep"
      calm
      busy={busy}
      onYes={keep}
      onNo={onClose}
    >
      <p class="hint">{t.keep.lead}</p>
      {moment && (
        <Segments
          label={t.keep.what}
          value={what}
          choices={[
            ["moment", t.keep.moment],
            ["shown", t.keep.shown],
          ]}
          onChoose={(next) => {
            setWhat(next);
            setRange(next === "moment" ? moment : shown);
          }}
        />
      )}
      {edge("from")}
      {edge("to")}
      <label class="field">
        <span>{t.keep.note}</span>
        <input
          data-testid="keep-note"
          maxLength={200}
          placeholder={t.keep.noteHint}
          value={note}
          onInput={(e) => setNote(e.currentTarget.value)}
        />
      </label>
      {more && (
        <Segments
          label={t.keep.cameras}
          value={whose}
          choices={[
            ["one", camera.name || camera.id],
            ["all", t.keep.all],
          ]}
          onChoose={setWhose}
        />
      )}
      {trouble && <Trouble>{trouble}</Trouble>}
    </Confirm>
  );
}
