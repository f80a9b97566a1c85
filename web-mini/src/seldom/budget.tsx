// A bar: how much of what there may be is used.
import { bytes } from "../format.ts";
import { seldom } from "./words.ts";

export function Budget({ label, used, of }: { label: string; used: number; of: number }) {
  const percent = of > 0 ? Math.min(100, (100 * used) / of) : 0;
  return (
    <>
      <div class="bar" role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(percent)}>
        <i style={{ width: `${percent.toFixed(1)}%` }} />
      </div>
      <p class="bar-words">{seldom.health.used(bytes(used), bytes(of))}</p>
    </>
  );
}
