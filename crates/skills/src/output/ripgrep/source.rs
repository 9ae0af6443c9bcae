//! What stands around the lines that a search found: the file is read again up to each of them, so that
//! what makes a secret of a line, a name above it or the header of a key, is known when it is redacted.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Cursor, Read, Seek as _, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use redact::{LineRedactor, RedactedLine, RedactedLines, Redactor, Untrusted};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

use super::event::FoundLine;

/// Up to this much of a file is read between two lines, from its start to the first of them.
const FAR_BYTES: u64 = 16 * 1024 * 1024;

/// Where it is more, this much before a line. Longer than any private key.
const NEAR_BYTES: u64 = 256 * 1024;

/// Of all files of a search together. Then only what is near is read.
const TOTAL_BYTES: u64 = 256 * 1024 * 1024;

/// Behind a line, what may make a secret of its end. The engine looks no further.
const BEHIND_BYTES: u64 = 4096;

/// Lines of one file that a search found, as they are shown; `None` for one that is not in the file any
/// more.
pub(super) struct Excerpt {
    pub(super) parts: Vec<RedactedLines>,
    /// Of each line its part and its place in it.
    places: Vec<Option<(usize, usize)>>,
}

impl Excerpt {
    pub(super) fn line(&self, index: usize) -> Option<&RedactedLine> {
        let (part, place) = (*self.places.get(index)?)?;
        self.parts.get(part)?.lines.get(place)
    }
}

/// Reads the files of one workspace.
pub(super) struct Source {
    /// `None`: there are no files to read, and the lines are all that is known.
    root: Option<PathBuf>,
    left_bytes: u64,
}

impl Source {
    pub(super) fn new(root: Option<PathBuf>) -> Self {
        Self {
            root,
            left_bytes: TOTAL_BYTES,
        }
    }

    /// Redacts lines of one file, which are in its order. Blocks on the file.
    pub(super) fn redact(&mut self, redactor: &Redactor, lines: &[FoundLine]) -> Excerpt {
        let mut excerpt = Excerpt {
            parts: Vec::new(),
            places: Vec::new(),
        };
        let Some(root) = &self.root else {
            // Those that follow one another are one text.
            for block in lines.chunk_by(|one, next| one.line_number + 1 == next.line_number) {
                let mut text = redactor.lines();
                for (place, line) in block.iter().enumerate() {
                    text.push(line.text.clone());
                    excerpt.places.push(Some((excerpt.parts.len(), place)));
                }
                excerpt.parts.push(text.finish());
            }
            return excerpt;
        };
        let opened = lines.first().map(|first| Contents::open(root, &first.name));
        let Some(Ok(mut contents)) = opened else {
            excerpt.places.resize(lines.len(), None);
            return excerpt;
        };
        let mut current = redactor.lines();
        let mut count = 0;
        for line in lines {
            let far = line.offset.saturating_sub(contents.position);
            if far > FAR_BYTES || far > self.left_bytes.max(NEAR_BYTES) {
                let _ = contents.pass_to(contents.position + BEHIND_BYTES, &mut current);
                let part = std::mem::replace(&mut current, redactor.lines());
                excerpt.parts.push(part.finish());
                count = 0;
                let _ = contents.skip_to(line.offset - NEAR_BYTES);
            }
            let before = contents.position;
            let is_there = contents.take(line, &mut current);
            let read = contents.position.saturating_sub(before);
            self.left_bytes = self.left_bytes.saturating_sub(read);
            excerpt
                .places
                .push(is_there.then_some((excerpt.parts.len(), count)));
            count += usize::from(is_there);
        }
        let _ = contents.pass_to(contents.position + BEHIND_BYTES, &mut current);
        excerpt.parts.push(current.finish());
        excerpt
    }
}

/// A file as ripgrep sees it: without its byte order mark, in UTF-8.
struct Contents {
    reader: Reader,
    position: u64,
    mark_bytes: u64,
}

enum Reader {
    File(BufReader<File>),
    Decoded(Cursor<Vec<u8>>),
}

impl Contents {
    fn open(root: &Path, name: &[u8]) -> io::Result<Self> {
        let file = File::from(open_beneath(root, name)?);
        if !file.metadata()?.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut reader = BufReader::with_capacity(64 * 1024, file);
        let (mark_bytes, decode) = match reader.fill_buf()? {
            [0xef, 0xbb, 0xbf, ..] => (3, None),
            [0xff, 0xfe, ..] => (2, Some(u16::from_le_bytes as fn([u8; 2]) -> u16)),
            [0xfe, 0xff, ..] => (2, Some(u16::from_be_bytes as fn([u8; 2]) -> u16)),
            _ => (0, None),
        };
        reader.seek(SeekFrom::Start(mark_bytes))?;
        let reader = match decode {
            None => Reader::File(reader),
            Some(decode) => {
                let mut bytes = Vec::new();
                reader.take(FAR_BYTES).read_to_end(&mut bytes)?;
                let (units, _) = bytes.as_chunks::<2>();
                let units = units.iter().map(|unit| decode(*unit));
                let text = char::decode_utf16(units);
                let text: String = text
                    .map(|one| one.unwrap_or(char::REPLACEMENT_CHARACTER))
                    .collect();
                Reader::Decoded(Cursor::new(text.into_bytes()))
            }
        };
        Ok(Self {
            reader,
            position: 0,
            mark_bytes,
        })
    }

    /// Passes what stands before `line`, and pushes it, if it is what stands there.
    fn take(&mut self, line: &FoundLine, redactor: &mut LineRedactor) -> bool {
        if self.pass_to(line.offset, redactor).is_err() || self.position != line.offset {
            return false;
        }
        let mut found = vec![0; line.length];
        if self.read(&mut found).is_err() {
            return false;
        }
        self.position += line.length as u64;
        let mut text = Untrusted::new(String::from_utf8_lossy(&found).into_owned());
        text.trim_line_break();
        let is_there = text == line.text;
        if is_there {
            redactor.push(text);
        } else {
            redactor.pass(&found);
        }
        is_there
    }

    fn pass_to(&mut self, offset: u64, redactor: &mut LineRedactor) -> io::Result<()> {
        let mut piece = [0; 16 * 1024];
        while self.position < offset {
            let wanted = usize::try_from(offset - self.position).unwrap_or(usize::MAX);
            let wanted = wanted.min(piece.len());
            let read = match &mut self.reader {
                Reader::File(file) => file.read(&mut piece[..wanted])?,
                Reader::Decoded(text) => text.read(&mut piece[..wanted])?,
            };
            if read == 0 {
                return Ok(());
            }
            redactor.pass(&piece[..read]);
            self.position += read as u64;
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        match &mut self.reader {
            Reader::File(file) => file.read_exact(buffer),
            Reader::Decoded(text) => text.read_exact(buffer),
        }
    }

    fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        match &mut self.reader {
            Reader::File(file) => file.seek(SeekFrom::Start(self.mark_bytes + offset))?,
            Reader::Decoded(text) => text.seek(SeekFrom::Start(offset))?,
        };
        self.position = offset;
        Ok(())
    }
}

/// Of what lies below the root, and not through a link: what ripgrep found by a link, it was told by name.
fn open_beneath(root: &Path, name: &[u8]) -> Result<OwnedFd, Errno> {
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, root, directory, Mode::empty())?;
    let name = std::ffi::OsStr::from_bytes(name);
    // It may have become a pipe.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    match openat2(&root, name, flags, Mode::empty(), beneath) {
        // Linux before 5.6, or a filter that does not know the call.
        Err(Errno::NOSYS | Errno::PERM) => {
            openat(&root, name, flags | OFlags::NOFOLLOW, Mode::empty())
        }
        outcome => outcome,
    }
}
