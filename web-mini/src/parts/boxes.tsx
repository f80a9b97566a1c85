// A playing video or still and a camera's detections → boxes on a canvas, matched by wall time.
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { boxesOf } from "../store.ts";
import type { ZoneView } from "../types.ts";
import { contain, paint } from "./box-painter.ts";

interface BoxesProps {
  camera: string;
  /** The element under the canvas. */
  picture: RefObject<HTMLVideoElement | null> | RefObject<HTMLImageElement | null>;
  /** Wall time at media time 0; null for stills, which take the newest boxes. */
  origin: () => number | null;
  active: boolean;
  zones: readonly ZoneView[];
}

export function Boxes({ camera, picture, origin, active, zones }: BoxesProps) {
  const ref = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const canvas = ref.current;
    if (!canvas || !active) return;
    const buffer = boxesOf(camera);
    let frame = 0;
    let drawn: unknown = null;
    let drawnFor = "";
    const draw = (): void => {
      frame = requestAnimationFrame(draw);
      const under = picture.current;
      if (!under) return;
      const start = origin();
      const isVideo = under instanceof HTMLVideoElement;
      const seen = isVideo ? (start === null ? null : buffer.at(start + under.currentTime * 1000)) : buffer.newest();
      const [w, h] = isVideo ? [under.videoWidth, under.videoHeight] : [under.naturalWidth, under.naturalHeight];
      const shape = `${canvas.clientWidth} ${canvas.clientHeight} ${w} ${h} ${zones.length}`;
      if (seen === drawn && shape === drawnFor) return;
      drawn = seen;
      drawnFor = shape;
      paint(canvas, contain(canvas.clientWidth, canvas.clientHeight, w, h), seen?.boxes ?? [], zones);
    };
    draw();
    return () => cancelAnimationFrame(frame);
  }, [camera, active, zones]);
  return <canvas ref={ref} class="boxes" data-testid={`boxes-${camera}`} data-count="0" aria-hidden="true" />;
}
