//! Where the parts are that the tests drive: programs, clips, models. A missing one ends the test with its mend.

use std::path::{Path, PathBuf};

/// The folder of the workspace.
pub fn workspace() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests/ lies in the workspace").to_path_buf()
}

/// Cargo's target folder of this profile: the test executable is in its `deps/`.
fn profile() -> PathBuf {
    let exe = std::env::current_exe().expect("a running test has a file");
    let deps = exe.parent().expect("it lies in a folder");
    deps.parent().expect("deps/ lies in the profile's folder").to_path_buf()
}

/// One of our programs, built by the same profile.
pub fn program(name: &str) -> PathBuf {
    present(profile().join(name))
}

/// A clip that `cargo xtask setup` makes: `main.mp4`, `sub.mp4`, `vtest.mp4`.
pub fn clip(name: &str) -> PathBuf {
    present(workspace().join("target/clips").join(name))
}

/// The folder with the prepared models.
pub fn models() -> PathBuf {
    present(workspace().join("target/models"))
}

/// The folder of files that the image brings to a board beside the programs.
pub fn board_files() -> PathBuf {
    present(workspace().join("yocto/meta-nightjar/recipes-nightjar/nightjar/files"))
}

/// A file or folder of this crate.
pub fn ours(path: &str) -> PathBuf {
    present(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
}

/// Where screenshots and other things to look at go.
pub fn output(path: &str) -> PathBuf {
    workspace().join("test-output").join(path)
}

fn present(path: PathBuf) -> PathBuf {
    assert!(path.exists(), "{} is missing: run \"cargo xtask test\", which makes it", path.display());
    path
}
