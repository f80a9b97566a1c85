//! What the end-to-end tests stand on: the real daemon, a real RTSP server, a camera that misbehaves on command,
//! and checks by FFmpeg, whose verdict does not depend on our code.

pub mod api;
pub mod broker;
pub mod clock;
pub mod daemon;
pub mod fake_camera;
pub mod home;
pub mod hook;
pub mod network;
pub mod parts;
pub mod probe;
pub mod probing;
pub mod rig;
pub mod rtsp_server;
pub mod seed;
pub mod skip;
pub mod updates;
pub mod wires;
