// From and to of a stretch of time, each a field with date and clock.
import { inputTime, timeFromInput, type Range } from "../timeline.ts";
import { seldom } from "./words.ts";

interface EdgesProps {
  range: Range;
  /** Begins the test ids. */
  name: string;
  onRange: (range: Range) => void;
}

export function Edges({ range, name, onRange }: EdgesProps) {
  const edge = (which: "from" | "to") => (
    <label class="field">
      <span>{seldom.keep[which]}</span>
      <input
        type="datetime-local"
        step="1"
        data-testid={`${name}-${which}`}
        value={inputTime(range[which])}
        onChange={(e) => {
          const ms = timeFromInput(e.currentTarget.value, range[which]);
          if (ms !== null) onRange({ ...range, [which]: ms });
        }}
      />
    </label>
  );
  return (
    <>
      {edge("from")}
      {edge("to")}
    </>
  );
}
