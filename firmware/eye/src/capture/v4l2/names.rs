//! Nodes in /dev ↔ names that stay: udev's links `/dev/v4l/by-id` and `by-path`, else the bus.

use std::path::{Path, PathBuf};

/// Folders of links, best name first: an id goes with the camera, a path with the socket.
const FOLDERS: [&str; 2] = ["by-id", "by-path"];

/// Every `/dev/videoN`, in order.
pub(super) fn nodes() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir("/dev") else { return Vec::new() };
    let number = |name: &str| name.strip_prefix("video")?.parse::<u32>().ok();
    let mut nodes: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| Some((number(entry.file_name().to_str()?)?, entry.path())))
        .collect();
    nodes.sort();
    nodes.into_iter().map(|(_, path)| path).collect()
}

/// udev's links: name with its folder, and the node that it leads to.
#[derive(Debug, Default)]
pub(super) struct Links(Vec<(String, PathBuf)>);

impl Links {
    /// As they are now.
    pub(super) fn read() -> Self {
        Self::below(Path::new("/dev/v4l"))
    }

    fn below(root: &Path) -> Self {
        let mut links = Vec::new();
        for folder in FOLDERS {
            let mut of_folder: Vec<(String, PathBuf)> = std::fs::read_dir(root.join(folder))
                .into_iter()
                .flatten()
                .flatten()
                .filter_map(|entry| {
                    let name = format!("{folder}/{}", entry.file_name().to_str()?);
                    Some((name, entry.path().canonicalize().ok()?))
                })
                .collect();
            of_folder.sort();
            links.extend(of_folder);
        }
        Self(links)
    }

    /// The best name of a node.
    pub(super) fn name(&self, node: &Path, bus: &str) -> String {
        let found = self.0.iter().find(|(_, to)| to == node);
        found.map_or_else(|| bus.to_owned(), |(name, _)| name.clone())
    }

    /// Whether this name means this node.
    pub(super) fn leads(&self, name: &str, node: &Path) -> bool {
        self.0.iter().any(|(link, to)| link == name && to == node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn an_id_is_better_than_a_path_and_a_path_than_a_bus() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        for node in ["video0", "video1", "video2"] {
            std::fs::write(root.join(node), b"").unwrap();
        }
        let link = |folder: &str, name: &str, node: &str| {
            std::fs::create_dir_all(root.join(folder)).unwrap();
            symlink(format!("../{node}"), root.join(folder).join(name)).unwrap();
        };
        link("by-path", "platform-usb-0:1:1.0-video-index0", "video0");
        link("by-id", "usb-cam-video-index0", "video0");
        link("by-path", "platform-usb-0:2:1.0-video-index0", "video1");
        link("by-id", "usb-gone-video-index0", "video9");
        let links = Links::below(&root);
        let name = |node: &str| links.name(&root.join(node), "platform:bus");
        assert_eq!(name("video0"), "by-id/usb-cam-video-index0");
        assert_eq!(name("video1"), "by-path/platform-usb-0:2:1.0-video-index0");
        assert_eq!(name("video2"), "platform:bus");
        assert!(links.leads("by-path/platform-usb-0:1:1.0-video-index0", &root.join("video0")));
        assert!(!links.leads("by-id/usb-gone-video-index0", &root.join("video0")));
    }
}
