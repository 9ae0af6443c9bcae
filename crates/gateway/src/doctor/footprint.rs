use std::fs;
use std::path::{Path, PathBuf};

/// Directories that were not there before: removed again when this is dropped, if nothing is in them.
/// The next `serve` may run as another user, who could not use what this one has made.
#[derive(Debug, Default)]
pub struct Footprint {
    /// The deepest first.
    missing: Vec<PathBuf>,
}

impl Footprint {
    /// Remembers which of these, and of what they lie in, are missing.
    pub(super) fn look_at(&mut self, paths: &[&Path]) {
        let all = paths.iter().flat_map(|path| path.ancestors());
        let missing = all.filter(|path| fs::symlink_metadata(path).is_err());
        self.missing.extend(missing.map(PathBuf::from));
        self.missing
            .sort_unstable_by_key(|path| std::cmp::Reverse(path.components().count()));
    }
}

impl Drop for Footprint {
    fn drop(&mut self) {
        for path in &self.missing {
            // One that was not made, or that somebody else uses by now, is none of ours.
            let _ = fs::remove_dir(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_goes_and_what_was_there_stays() {
        let there = tempfile::tempdir().unwrap();
        let deep = there.path().join("a/b/c");
        let beside = there.path().join("a/beside");
        let mut footprint = Footprint::default();
        footprint.look_at(&[&deep, &beside]);
        fs::create_dir_all(&deep).unwrap();
        drop(footprint);
        assert!(!there.path().join("a").exists());
        assert!(there.path().exists());

        fs::create_dir_all(&deep).unwrap();
        let mut footprint = Footprint::default();
        footprint.look_at(&[&deep]);
        drop(footprint);
        assert!(deep.exists());

        let mut footprint = Footprint::default();
        footprint.look_at(&[&beside]);
        fs::create_dir(&beside).unwrap();
        fs::write(beside.join("used"), "").unwrap();
        drop(footprint);
        assert!(beside.exists());
    }
}
