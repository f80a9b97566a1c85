//! placeholder
use crate::{options::Options, place::Place};
pub(crate) fn run(_: &Place, _: &Options) -> anyhow::Result<()> { Ok(()) }
