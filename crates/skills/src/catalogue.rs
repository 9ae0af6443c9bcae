//! All skills of a directory, or everything that is wrong with them.

use std::collections::BTreeMap;
use std::fs::{self, ReadDir};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::definition::{Run, Skill, SkillName};
use super::diagnostics::{CatalogueError, Diagnostic};
use super::file;

/// A file of a skill that is larger is none.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// More skills than anyone can look through are a mistake.
const MAX_SKILLS: usize = 256;

/// The skills that can be called, by name.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    skills: BTreeMap<SkillName, Arc<Skill>>,
}

impl Catalogue {
    /// Reads every `*.toml` of the directory. Without the directory there are no skills.
    ///
    /// Blocks on small files.
    pub fn read(directory: &Path) -> Result<Self, CatalogueError> {
        match fs::read_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            entries => Self::of(directory, entries),
        }
    }

    /// Reads the files of a directory that had skills before: one that is not there is a mistake, such as
    /// a mount that has gone, and no reason to drop them all.
    ///
    /// Blocks on small files.
    pub fn read_again(directory: &Path) -> Result<Self, CatalogueError> {
        Self::of(directory, fs::read_dir(directory))
    }

    fn of(directory: &Path, entries: io::Result<ReadDir>) -> Result<Self, CatalogueError> {
        let mut diagnostics = Vec::new();
        let mut skills = BTreeMap::new();
        let mut references = Vec::new();
        for path in files(directory, entries, &mut diagnostics) {
            let text = match read_text(&path) {
                Ok(text) => text,
                Err(detail) => {
                    diagnostics.push(whole_file(path, detail));
                    continue;
                }
            };
            match file::parse(&path, &text) {
                Ok(skill) => {
                    references.extend(SkillReferences::of(&skill, path, text));
                    skills.insert(skill.name.clone(), Arc::new(skill));
                }
                Err(found) => diagnostics.extend(found),
            }
        }
        for reference in references {
            reference.check(&skills, &mut diagnostics);
        }
        if skills.len() > MAX_SKILLS {
            let detail = format!("holds more than {MAX_SKILLS} skills");
            diagnostics.push(whole_file(directory.to_owned(), detail));
        }
        if diagnostics.is_empty() {
            Ok(Self { skills })
        } else {
            Err(CatalogueError { diagnostics })
        }
    }

    /// Leaves out every skill that `is_kept` refuses.
    #[must_use]
    pub fn filter(mut self, mut is_kept: impl FnMut(&Skill) -> bool) -> Self {
        self.skills.retain(|_, skill| is_kept(skill));
        self
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Skill>> {
        self.skills.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Skill>> {
        self.skills.values()
    }

    pub fn len(&self) -> usize {
        self.skills.len()
    }

    pub fn is_empty(&self) -> bool {
        self.skills.is_empty()
    }
}

/// A skill whose model may call others, and its file.
struct SkillReferences {
    names: Vec<String>,
    file: PathBuf,
    text: String,
}

impl SkillReferences {
    fn of(skill: &Skill, file: PathBuf, text: String) -> Option<Self> {
        let Run::Codex(run) = &skill.run else {
            return None;
        };
        Some(Self {
            names: run.skills.clone(),
            file,
            text,
        })
    }

    fn check(self, skills: &BTreeMap<SkillName, Arc<Skill>>, diagnostics: &mut Vec<Diagnostic>) {
        for name in &self.names {
            let detail = match skills.get(name.as_str()).map(|skill| &skill.run) {
                None => format!("run.skills names {name}, which there is not"),
                Some(Run::Codex(_)) => {
                    format!("run.skills names {name}, which is a turn of Codex itself")
                }
                Some(Run::Command(_) | Run::Cli(_)) => continue,
            };
            let quoted = format!("\"{name}\"");
            let mut lines = self.text.lines();
            diagnostics.push(Diagnostic {
                file: self.file.clone(),
                line: lines
                    .position(|line| line.contains(&quoted))
                    .map_or(0, |at| at + 1),
                detail,
            });
        }
    }
}

/// Sorted, so that messages come in the same order every time.
fn files(
    directory: &Path,
    entries: io::Result<ReadDir>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let read = entries.and_then(|entries| {
        for entry in entries {
            paths.push(entry?.path());
        }
        Ok(())
    });
    if let Err(error) = read {
        let detail = format!("cannot be read ({error})");
        diagnostics.push(whole_file(directory.to_owned(), detail));
    }
    let mut files: Vec<_> = paths
        .into_iter()
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    files
}

fn read_text(path: &Path) -> Result<String, String> {
    let cannot = |error: io::Error| format!("cannot be read ({error})");
    let metadata = fs::metadata(path).map_err(cannot)?;
    if !metadata.is_file() || metadata.len() > MAX_FILE_BYTES {
        return Err(format!("must be a file of at most {MAX_FILE_BYTES} bytes"));
    }
    fs::read_to_string(path).map_err(cannot)
}

fn whole_file(file: PathBuf, detail: String) -> Diagnostic {
    Diagnostic {
        file,
        line: 0,
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_gone_is_a_mistake_only_the_second_time() {
        let directory = tempfile::tempdir().unwrap();
        let gone = directory.path().join("gone");
        assert!(Catalogue::read(&gone).unwrap().is_empty());
        let diagnostics = Catalogue::read_again(&gone).unwrap_err().diagnostics;
        assert_eq!(diagnostics.len(), 1);
        assert_eq!(diagnostics[0].file, gone);
        assert!(diagnostics[0].detail.starts_with("cannot be read"));
        assert!(Catalogue::read_again(directory.path()).unwrap().is_empty());
    }

    #[test]
    fn a_granted_skill_must_exist_and_be_no_turn_itself() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            format!(
                "name = \"{name}\"\ndescription = \"d\"\nworkspace = \"none\"\nresult = \"text\"\n\
                 [parameters]\ntype = \"object\"\n[run]\nkind = \"codex\"\nprompt = \"p\"\n\
                 skills = [\n  \"nobody\",\n  \"{name}\",\n]\n"
            )
        };
        fs::write(directory.path().join("granting.toml"), file("granting")).unwrap();
        let diagnostics = Catalogue::read(directory.path()).unwrap_err().diagnostics;
        let listed: Vec<_> = diagnostics
            .iter()
            .map(|diagnostic| (diagnostic.line, diagnostic.detail.as_str()))
            .collect();
        assert_eq!(
            listed,
            [
                (11, "run.skills names nobody, which there is not"),
                (
                    1,
                    "run.skills names granting, which is a turn of Codex itself"
                ),
            ]
        );
    }
}
