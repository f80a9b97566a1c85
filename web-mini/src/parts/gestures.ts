// Pointers and wheel on the strip → tap, pan, zoom. One finger pans, two zoom; vertical movement scrolls the page.
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

export interface Gestures {
  /** x and y in the element's pixels. */
  onTap: (x: number, y: number) => void;
  onPan: (dx: number) => void;
  /** factor < 1 comes closer; x stays where it is. */
  onZoom: (factor: number, x: number) => void;
  /** A mouse over the element; null when it left. */
  onHover: (x: number | null) => void;
}

/** A pointer that moves less than this is a tap, px. */
const SLOP = 6;

export function useGestures(ref: RefObject<HTMLElement | null>, gestures: Gestures): void {
  const latest = useRef(gestures);
  latest.current = gestures;
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const fingers = new Map<number, number>();
    let moved = 0;
    let pinched = false;
    const inside = (e: { clientX: number; clientY: number }): [number, number] => {
      const box = element.getBoundingClientRect();
      return [e.clientX - box.left, e.clientY - box.top];
    };

    const down = (e: PointerEvent): void => {
      if (e.button !== 0) return;
      if (fingers.size === 0) {
        moved = 0;
        pinched = false;
      }
      fingers.set(e.pointerId, inside(e)[0]);
      element.setPointerCapture(e.pointerId);
    };
    const move = (e: PointerEvent): void => {
      const [x] = inside(e);
      const before = fingers.get(e.pointerId);
      if (before === undefined) {
        if (e.pointerType === "mouse") latest.current.onHover(x);
        return;
      }
      const other = [...fingers].find(([id]) => id !== e.pointerId)?.[1];
      fingers.set(e.pointerId, x);
      if (other !== undefined) {
        pinched = true;
        const [old, now] = [Math.max(24, Math.abs(before - other)), Math.max(24, Math.abs(x - other))];
        latest.current.onZoom(old / now, (x + other) / 2);
        latest.current.onPan((x - before) / 2);
        return;
      }
      moved += Math.abs(x - before);
      if (moved > SLOP) latest.current.onPan(x - before);
    };
    const up = (e: PointerEvent): void => {
      if (!fingers.delete(e.pointerId)) return;
      if (e.type === "pointerup" && fingers.size === 0 && !pinched && moved <= SLOP) latest.current.onTap(...inside(e));
    };
    const wheel = (e: WheelEvent): void => {
      const sideways = Math.abs(e.deltaX) > Math.abs(e.deltaY) || e.shiftKey;
      e.preventDefault();
      const delta = (e.deltaX || e.deltaY) * (e.deltaMode === 1 ? 16 : 1);
      if (sideways) latest.current.onPan(-delta);
      else latest.current.onZoom(Math.exp(Math.max(-200, Math.min(200, e.deltaY * (e.deltaMode === 1 ? 16 : 1))) / 300), inside(e)[0]);
    };
    const leave = (): void => latest.current.onHover(null);

    element.addEventListener("pointerdown", down);
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerup", up);
    element.addEventListener("pointercancel", up);
    element.addEventListener("pointerleave", leave);
    element.addEventListener("wheel", wheel, { passive: false });
    return () => {
      element.removeEventListener("pointerdown", down);
      element.removeEventListener("pointermove", move);
      element.removeEventListener("pointerup", up);
      element.removeEventListener("pointercancel", up);
      element.removeEventListener("pointerleave", leave);
      element.removeEventListener("wheel", wheel);
    };
  }, []);
}
