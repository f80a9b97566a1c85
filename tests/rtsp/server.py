#!/usr/bin/python3
"""MP4 clips -> RTSP cameras /camNN/main and /camNN/sub for ever, by GStreamer's RTSP server, which is not our code.

Every clip is taken apart once; its coded pictures and audio frames are then sent unchanged, in real time, over and
over, on time stamps that never jump. RTP goes over TCP only. "ready PORT" on stdout says that the port listens.
"""

import argparse
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstApp, GstRtsp, GstRtspServer  # noqa: E402, F401

VIDEO = "h264parse ! video/x-h264,stream-format=avc,alignment=au"
AUDIO = "aacparse ! audio/mpeg,framed=true,stream-format=raw"
QUEUED_BYTES = 4 << 20


class Track:
    """The coded units of one track: caps, payloads, and for each the nanoseconds from the start and its length."""

    def __init__(self, path, pad, parse):
        line = f'filesrc location="{path}" ! qtdemux name=d d.{pad} ! queue ! {parse} ! appsink name=out sync=false'
        pipeline = Gst.parse_launch(line)
        out = pipeline.get_by_name("out")
        pipeline.set_state(Gst.State.PLAYING)
        self.caps, self.units = None, []
        while sample := out.emit("try-pull-sample", 10 * Gst.SECOND):
            buffer = sample.get_buffer()
            self.caps = self.caps or sample.get_caps()
            key = not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)
            self.units.append((buffer.extract_dup(0, buffer.get_size()), buffer.pts, buffer.duration, key))
        pipeline.set_state(Gst.State.NULL)
        if not self.units:
            sys.exit(f"{path}: nothing came out of its {pad}")
        first = self.units[0][1]
        self.units = [(data, pts - first, duration, key) for data, pts, duration, key in self.units]
        self.length = self.units[-1][1] + self.units[-1][2]


def has_audio(path):
    """Whether the clip has an AAC track; qtdemux adds its pads before the first buffer."""
    pipeline = Gst.parse_launch(f'filesrc location="{path}" ! qtdemux name=d ! fakesink')
    pipeline.set_state(Gst.State.PAUSED)
    pipeline.get_state(10 * Gst.SECOND)
    found = any(pad.get_name().startswith("audio") for pad in pipeline.get_by_name("d").pads)
    pipeline.set_state(Gst.State.NULL)
    return found


class Clip:
    """What one path serves."""

    def __init__(self, path):
        self.tracks = [Track(path, "video_0", VIDEO)]
        if has_audio(path):
            self.tracks.append(Track(path, "audio_0", AUDIO))

    def launch(self):
        """The pipeline in gst-launch words; payloaders must be called pay0, pay1."""
        source = "appsrc is-live=true format=time min-latency=0"
        text = f"( {source} name=src0 ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1 mtu=1400 "
        if len(self.tracks) > 1:
            text += f"{source} name=src1 ! rtpmp4gpay name=pay1 pt=97 "
        return text + ")"


def feed(appsrc, track, stopped):
    """Pushes the track round and round, each unit when its time has come."""
    began, turn = time.monotonic(), 0
    while True:
        for data, pts, duration, key in track.units:
            at = turn * track.length + pts
            wait = began + at / Gst.SECOND - time.monotonic()
            if stopped.wait(max(wait, 0)):
                return
            buffer = Gst.Buffer.new_wrapped(data)
            buffer.pts = buffer.dts = at
            buffer.duration = duration
            if not key:
                buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
            if appsrc.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                return
        turn += 1


def configure(_factory, media, clip):
    """A client asked first: start the feeders; they end with the media."""
    element, stopped = media.get_element(), threading.Event()
    for number, track in enumerate(clip.tracks):
        appsrc = element.get_by_name(f"src{number}")
        appsrc.set_property("caps", track.caps)
        appsrc.set_property("max-bytes", QUEUED_BYTES)
        thread = threading.Thread(target=feed, args=(appsrc, track, stopped), daemon=True)
        # The clock of the media starts with the first demand, so the first unit is due then.
        waiting = [thread]
        appsrc.connect("need-data", lambda _src, _n, waiting=waiting: waiting and waiting.pop().start())
    media.connect("unprepared", lambda _media: stopped.set())


def factory(clip, role):
    """One camera stream, shared by all who watch it, as a camera does."""
    made = GstRtspServer.RTSPMediaFactory()
    made.set_launch(clip.launch())
    made.set_shared(True)
    made.set_protocols(GstRtsp.RTSPLowerTrans.TCP)
    made.connect("media-configure", configure, clip)
    if role:
        allowed = GstRtspServer.RTSPPermissions()
        allowed.add_permission_for_role(role, "media.factory.access", True)
        allowed.add_permission_for_role(role, "media.factory.construct", True)
        made.set_permissions(allowed)
    return made


def main():
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--port", default="0", help="0 takes a free one")
    words.add_argument("--cameras", type=int, default=1)
    words.add_argument("--main", required=True, help="MP4 with H.264 and, if it has any, AAC")
    words.add_argument("--sub", help="MP4 with H.264")
    words.add_argument("--user", help="ask for digest authentication")
    words.add_argument("--password", default="")
    asked = words.parse_args()

    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(asked.port)
    role = None
    if asked.user:
        role = "viewer"
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", role)
        auth = GstRtspServer.RTSPAuth()
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(asked.user, asked.password, token)
        server.set_auth(auth)
    main_clip, sub_clip = Clip(asked.main), Clip(asked.sub) if asked.sub else None
    mounts = server.get_mount_points()
    for number in range(1, asked.cameras + 1):
        mounts.add_factory(f"/cam{number:02}/main", factory(main_clip, role))
        if sub_clip:
            mounts.add_factory(f"/cam{number:02}/sub", factory(sub_clip, role))
    if not server.attach(None):
        sys.exit(f"port {asked.port} of 127.0.0.1 is taken: choose another --port")
    print("ready", server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


main()
