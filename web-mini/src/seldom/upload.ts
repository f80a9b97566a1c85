// A file of this device → the recorder, with how much of it has left. fetch says that in no browser of a phone.
import { ApiError, apiUrl, refusal } from "../api.ts";

interface Upload {
  /** False: it was stopped. */
  done: Promise<boolean>;
  stop: () => void;
}

/** `broke` is said when there is no answer. */
export function upload(path: string, file: Blob, broke: string, onSent: (bytes: number) => void): Upload {
  const ask = new XMLHttpRequest();
  const done = new Promise<boolean>((resolve, reject) => {
    ask.upload.onprogress = (e) => onSent(e.loaded);
    ask.onload = () => {
      if (ask.status < 300) resolve(true);
      else void refusal(new Response(ask.responseText, { status: ask.status })).then(reject);
    };
    ask.onerror = () => reject(new ApiError(0, broke));
    ask.onabort = () => resolve(false);
  });
  ask.open("PUT", apiUrl(path));
  ask.setRequestHeader("content-type", "application/octet-stream");
  ask.send(file);
  return { done, stop: () => ask.abort() };
}
