// Boxes and zones → a canvas over a picture. Draws only when what it would show changes.
import type { Detection, ZoneView } from "../types.ts";
import { labelWord } from "../words.ts";

/** Where the picture lies inside its element (object-fit: contain), CSS pixels. */
export interface Place {
  x: number;
  y: number;
  w: number;
  h: number;
}

export function contain(boxW: number, boxH: number, picW: number, picH: number): Place {
  if (picW <= 0 || picH <= 0) return { x: 0, y: 0, w: boxW, h: boxH };
  const scale = Math.min(boxW / picW, boxH / picH);
  const w = picW * scale;
  const h = picH * scale;
  return { x: (boxW - w) / 2, y: (boxH - h) / 2, w, h };
}

const INK = "#ffd27a";
const UNSURE = "rgba(255, 255, 255, 0.75)";
const ZONE = "rgba(124, 205, 217, 0.9)";
const ZONE_FILL = "rgba(124, 205, 217, 0.12)";

export function paint(canvas: HTMLCanvasElement, place: Place, boxes: readonly Detection[], zones: readonly ZoneView[]): void {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const width = Math.round(canvas.clientWidth * ratio);
  const height = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const pen = canvas.getContext("2d");
  if (!pen) return;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  for (const zone of zones) drawZone(pen, place, zone);
  for (const box of boxes) drawBox(pen, place, box);
  canvas.dataset["count"] = String(boxes.length);
}

function drawZone(pen: CanvasRenderingContext2D, place: Place, zone: ZoneView): void {
  pen.beginPath();
  for (const [x, y] of zone.points) pen.lineTo(place.x + x * place.w, place.y + y * place.h);
  pen.closePath();
  pen.fillStyle = ZONE_FILL;
  pen.fill();
  pen.setLineDash([6, 4]);
  pen.lineWidth = 1.5;
  pen.strokeStyle = ZONE;
  pen.stroke();
  pen.setLineDash([]);
  const first = zone.points[0];
  if (first) drawTag(pen, place.x + first[0] * place.w, place.y + first[1] * place.h, zone.id, ZONE, place);
}

function drawBox(pen: CanvasRenderingContext2D, place: Place, { label, score, bbox, track }: Detection): void {
  const sure = track !== null;
  const x = place.x + bbox.x * place.w;
  const y = place.y + bbox.y * place.h;
  pen.lineWidth = sure ? 2 : 1;
  pen.strokeStyle = "rgba(0, 0, 0, 0.55)";
  pen.strokeRect(x - 1, y - 1, bbox.w * place.w + 2, bbox.h * place.h + 2);
  pen.strokeStyle = sure ? INK : UNSURE;
  pen.strokeRect(x, y, bbox.w * place.w, bbox.h * place.h);
  // Names in a small tile would hide the picture.
  if (sure && place.w >= 300) drawTag(pen, x, y, `${labelWord(label)} ${Math.round(score * 100)}`, INK, place);
}

function drawTag(pen: CanvasRenderingContext2D, x: number, y: number, text: string, ink: string, place: Place): void {
  pen.font = "600 11px system-ui, sans-serif";
  const width = pen.measureText(text).width + 8;
  const left = Math.min(Math.max(x - 1, place.x), place.x + place.w - width);
  const top = y - 17 < place.y ? y + 1 : y - 17;
  pen.fillStyle = ink;
  pen.fillRect(left, top, width, 16);
  pen.fillStyle = "#14181c";
  pen.fillText(text, left + 4, top + 12);
}
