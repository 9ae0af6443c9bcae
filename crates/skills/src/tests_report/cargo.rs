use super::{BUILD, PROCESS, Tally, append, cut_name, number_before};

/// `cargo test`: what libtest prints for each binary, and cargo around it.
#[derive(Default)]
pub(super) struct Cargo {
    total: Tally,
    /// Of the binary that runs: what its lines say, until its result says it better.
    lines: Tally,
    is_running: bool,
    /// How many tests it said it would run.
    promised: u64,
    has_results: bool,
    is_broken: bool,
    section: Section,
}

/// A message of several lines that is being collected.
#[derive(Default)]
enum Section {
    #[default]
    None,
    Test {
        name: String,
        message: String,
    },
    Build {
        message: String,
    },
}

impl Cargo {
    pub(super) fn line(&mut self, line: &str) {
        if self.is_end_of_section(line) {
            self.end_section();
        }
        if is_of_cargo(line) {
            self.end_binary();
        }
        if let Some(promised) = promise(line).filter(|_| !self.is_running) {
            self.is_running = true;
            self.promised = promised;
        } else if let Some(rest) = line
            .strip_prefix("test result: ")
            .filter(|_| self.is_running)
        {
            self.result(rest);
        } else if let Some(rest) = line.strip_prefix("test ").filter(|_| self.is_running) {
            self.test(rest);
        } else if let Some(name) = section_name(line) {
            self.section = Section::Test {
                name: cut_name(name),
                message: String::new(),
            };
        } else if line
            .trim_start()
            .starts_with("process didn't exit successfully")
        {
            if line.contains("(signal:") {
                self.broken(PROCESS, line);
            }
        } else if is_compile_error(line) && matches!(self.section, Section::None) {
            let mut message = String::new();
            append(&mut message, line);
            self.section = Section::Build { message };
        } else if let Section::Test { message, .. } | Section::Build { message } = &mut self.section
        {
            append(message, line);
        }
    }

    pub(super) fn finish(mut self) -> Tally {
        self.end_section();
        let is_interrupted = self.is_running;
        self.end_binary();
        self.total.has_begun = self.has_results || is_interrupted || self.is_broken;
        self.total.is_complete = self.has_results && !is_interrupted && !self.is_broken;
        self.total
    }

    fn test(&mut self, rest: &str) {
        let Some((name, outcome)) = rest.rsplit_once(" ... ") else {
            return;
        };
        match outcome.split([',', ' ']).next() {
            Some("ok") => self.lines.passed += 1,
            Some("ignored") => self.lines.skipped += 1,
            Some("FAILED") => {
                self.lines.failed += 1;
                let name = name.split(" - should panic").next().unwrap_or(name);
                self.total.tell(name, "");
            }
            _ => {}
        }
    }

    /// Believed if it is of as many tests as were promised: a test may print one, too.
    fn result(&mut self, rest: &str) {
        let number = |word| number_before(rest, word).unwrap_or_default();
        let ran = ["passed", "failed", "ignored", "measured"].map(number);
        if ran.into_iter().fold(0, u64::saturating_add) != self.promised {
            return;
        }
        self.lines = Tally {
            passed: number("passed"),
            failed: number("failed"),
            skipped: number("ignored"),
            ..Tally::default()
        };
        self.has_results = true;
        self.end_binary();
    }

    fn end_binary(&mut self) {
        self.total.passed = self.total.passed.saturating_add(self.lines.passed);
        self.total.failed = self.total.failed.saturating_add(self.lines.failed);
        self.total.skipped = self.total.skipped.saturating_add(self.lines.skipped);
        self.lines = Tally::default();
        self.is_running = false;
    }

    fn is_end_of_section(&self, line: &str) -> bool {
        match &self.section {
            Section::None => false,
            Section::Test { .. } => line == "failures:" || section_name(line).is_some(),
            Section::Build { .. } => line.starts_with("error: could not compile"),
        }
    }

    fn end_section(&mut self) {
        match std::mem::take(&mut self.section) {
            Section::None => {}
            Section::Test { name, message } => self.total.explain(&name, &message),
            Section::Build { message } => self.broken(BUILD, &message),
        }
    }

    /// A build breaks once, however many targets it does not reach.
    fn broken(&mut self, name: &str, message: &str) {
        self.is_broken = true;
        if name == BUILD && self.total.failures.iter().any(|known| known.name == BUILD) {
            return;
        }
        self.total.failed = self.total.failed.saturating_add(1);
        self.total.tell(name, message);
    }
}

/// `running 4 tests`
fn promise(line: &str) -> Option<u64> {
    let (number, noun) = line.strip_prefix("running ")?.split_once(' ')?;
    matches!(noun.trim_end(), "test" | "tests")
        .then(|| number.parse().ok())
        .flatten()
}

/// What cargo says between two binaries.
fn is_of_cargo(line: &str) -> bool {
    [
        "     Running ",
        "   Doc-tests ",
        "error: test failed",
        "error: doctest failed",
    ]
    .iter()
    .any(|start| line.starts_with(start))
}

/// `---- tests::adds stdout ----`
fn section_name(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

/// Of rustc (`error[E0308]: …`, `error: …`), not cargo's own last words.
fn is_compile_error(line: &str) -> bool {
    const OF_CARGO: [&str; 4] = [
        "test failed",
        "could not compile",
        "target failed",
        "targets failed",
    ];
    let is_error = line.starts_with("error[") || line.starts_with("error: ");
    is_error && !OF_CARGO.iter().any(|words| line.contains(words))
}
