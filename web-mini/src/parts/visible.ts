// An element → whether anyone can see it: on screen, and the tab in front.
import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";

export function useVisible(ref: RefObject<Element | null>): boolean {
  const [near, setNear] = useState(false);
  const [front, setFront] = useState(!document.hidden);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const watch = new IntersectionObserver((all) => setNear(all[all.length - 1]?.isIntersecting ?? false), {
      rootMargin: "120px",
    });
    watch.observe(element);
    const onTab = (): void => setFront(!document.hidden);
    document.addEventListener("visibilitychange", onTab);
    return () => {
      watch.disconnect();
      document.removeEventListener("visibilitychange", onTab);
    };
  }, []);
  return near && front;
}

/** Width of an element in CSS pixels, followed as it changes. */
export function useWidth(ref: RefObject<Element | null>): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    setWidth(element.clientWidth);
    const watch = new ResizeObserver(() => setWidth(element.clientWidth));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  return width;
}

/** Renders again every `ms`, for what says "12 s left". */
export function useTick(ms: number, on = true): void {
  const [, set] = useState(0);
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(() => set((n) => n + 1), ms);
    return () => clearInterval(timer);
  }, [ms, on]);
}
