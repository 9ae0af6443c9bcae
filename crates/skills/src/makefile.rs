use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// In the order in which make looks for them.
const NAMES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];

const MAX_BYTES: u64 = 1024 * 1024;

/// Whether the Makefile of a directory names the variable by which tests are chosen. One that does not would
/// run all of them. Blocks on a small file.
pub(super) fn names_filter(directory: &Path) -> bool {
    let mut paths = NAMES.iter().map(|name| directory.join(name));
    let Some(file) = paths.find(|path| path.is_file()) else {
        // Whatever is wrong with it, make says better.
        return true;
    };
    let mut text = Vec::new();
    let read = File::open(file).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut text));
    read.is_ok() && text.windows(6).any(|word| word == b"FILTER")
}
