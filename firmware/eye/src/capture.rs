//! A local camera's address → coded pictures: for the recorder over its socket, for a person as figures; and a list of cameras.
//!
//! One process a camera: a driver that hangs hurts its camera only, a detector that dies hurts none.

mod choose;
mod csi;
mod encoder;
mod fault;
mod formats;
mod link;
mod list;
mod outlet;
mod pipeline;
mod session;
mod trial;
mod v4l2;

use crate::cli;
use crate::error::Error;

/// Serves the recorder, or tries the given camera.
pub(crate) fn run(args: &cli::Capture) -> Result<(), Error> {
    if args.addresses.is_empty() { link::serve() } else { trial::run(args) }
}

/// Lists what is plugged in.
pub(crate) fn cameras(args: &cli::Cameras) -> Result<(), Error> {
    list::run(args)
}
