//! The sandbox environment of a skill's program: its files, limits, arguments and variables.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use runner::{
    Bind, BindMode, BubblewrapSpec, CommandSpec, PrivateDirectory, ProgramUser,
    SYSTEM_PROGRAM_DIRECTORIES, Sandbox, SandboxTools, Stdin,
};
use tokio_util::sync::CancellationToken;

use super::copy;
use super::definition::{
    Parser, ProgramReference, ResultForm, Run, SkillLimits, TestKind, WorkspaceMode,
};
use super::request::ValidatedCall;
use super::run_directory::{self, RunDirectory};
use super::tests_report;

/// Where the workspace is seen in the sandbox.
pub(super) const WORKSPACE: &str = "/workspace";
/// Not `/home`, where a toolchain may lie.
const HOME: &str = "/skill-home";
/// Where our plugins of test runners are seen in it.
const PLUGINS: &str = "/skill-home/.portcullis";
const TEMPORARY: &str = "/tmp";

/// What the sandbox of every skill is made from.
#[derive(Clone)]
pub struct SandboxEnvironment {
    /// `None`: there is no sandbox, by the setting or because none can be made.
    pub sandbox: Option<SandboxParts>,
    /// Toolchains, shown read-only. Without symbolic links.
    pub read_paths: Vec<PathBuf>,
    /// The gateway's own directories, which no skill sees. Without symbolic links.
    pub hidden_paths: Vec<PathBuf>,
    /// The native Codex program, beside which its package's programs lie.
    pub codex: PathBuf,
    /// The company's own CLI, if it is one: its `tool` runs skills.
    pub company_cli: Option<PathBuf>,
    /// Where directories of runs are made.
    pub runs_dir: PathBuf,
    /// Whether bubblewrap and the kernel can lay an overlay over a workspace.
    pub has_overlay: bool,
    /// Whether a search leaves out lines of which something is hidden.
    pub search_drops_hidden: bool,
    /// Where the plugins lie by which runners of tests report; `None` if they could not be written.
    pub test_plugins: Option<PathBuf>,
}

/// What makes a sandbox here; proven at the start.
#[derive(Clone)]
pub struct SandboxParts {
    pub tools: SandboxTools,
    /// A directory that no other user can enter.
    pub handshake_dir: PathBuf,
}

/// A command with its sandbox, and what of the host belongs to it.
pub(super) struct SandboxedCommand {
    pub(super) spec: CommandSpec,
    /// Removed when the run is over.
    pub(super) directory: Option<RunDirectory>,
}

/// Why a skill's command could not be made. For the log: names paths of the settings, no content.
#[derive(Debug, thiserror::Error)]
pub(super) enum EnvironmentError {
    #[error(
        "its program {0} is not there: install it, or show it with PORTCULLIS_SKILL_READ_PATHS"
    )]
    NoProgram(String),
    #[error("its workspace could not be copied: {0}")]
    Copy(#[from] copy::CopyError),
    #[error("its directory could not be made: {0}")]
    Directory(io::Error),
}

impl EnvironmentError {
    /// Whether a later call may find it otherwise.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Copy(copy::CopyError::Changed))
    }
}

/// Whether a call takes a copy of its workspace on the disk. Looks at the workspace's root.
pub(super) fn needs_copy(environment: &SandboxEnvironment, validated: &ValidatedCall) -> bool {
    let Some(workspace) = &validated.workspace else {
        return false;
    };
    match validated.skill.workspace {
        WorkspaceMode::PrivateCopy => {
            !environment.can_overlay() || !is_the_programs(&workspace.root)
        }
        WorkspaceMode::None => false,
        WorkspaceMode::ReadOnly => environment.sandbox.is_some() && !can_be_read(&workspace.root),
    }
}

/// Makes the command of a call. Blocks where a workspace must be copied, until that is done or
/// `abandoned`; then nothing of it is left.
pub(super) fn make(
    environment: &SandboxEnvironment,
    validated: ValidatedCall,
    needs_copy: bool,
    abandoned: &CancellationToken,
) -> Result<SandboxedCommand, EnvironmentError> {
    let skill = &validated.skill;
    let workspace = validated.workspace.as_ref();
    let Invoked {
        program,
        args,
        mut variables,
    } = environment.invoke(&validated)?;
    let needs_directory = needs_copy || environment.sandbox.is_none();
    let directory = if needs_directory {
        let directory = RunDirectory::create(&environment.runs_dir);
        Some(directory.map_err(EnvironmentError::Directory)?)
    } else {
        None
    };
    let root = match (&directory, workspace) {
        (Some(directory), Some(workspace)) if needs_copy => {
            let target = directory.copy();
            let hidden = &environment.hidden_paths;
            let owner = match environment.sandbox {
                Some(_) => ProgramUser::here(),
                None => ProgramUser::Own,
            };
            copy::copy(&workspace.root, &target, hidden, owner, abandoned)?;
            Some(target)
        }
        (_, workspace) => workspace.map(|workspace| workspace.root.clone()),
    };
    let mode = match skill.workspace {
        WorkspaceMode::None | WorkspaceMode::ReadOnly => BindMode::ReadOnly,
        // Over a copy, too: what is written has its limit there, and none on the disk.
        WorkspaceMode::PrivateCopy if environment.can_overlay() => BindMode::Overlay,
        WorkspaceMode::PrivateCopy => BindMode::Writable,
    };
    let bind = root.map(|source| Bind {
        source,
        target: WORKSPACE.into(),
        mode,
    });
    let plugins = environment.test_plugins.as_deref();
    let plugins = plugins.filter(|_| skill.parser == Some(Parser::Tests));
    if let Some(plugins) = plugins {
        let place = match &environment.sandbox {
            Some(_) => Path::new(PLUGINS),
            None => plugins,
        };
        // What make is given it takes as a variable, and the others as an argument.
        let is_npm = workspace.is_some_and(|workspace| workspace.tests == Some(TestKind::Npm));
        let filter = validated.test_filter().filter(|_| is_npm);
        for (name, value) in tests_report::environment(place, &validated.report_mark, filter) {
            let own = variables.get(name).map(|own| format!(" {own}"));
            variables.insert(name.to_owned(), value + &own.unwrap_or_default());
        }
    }
    let spec = CommandSpec {
        args,
        env: environment.variables(variables, directory.as_ref()),
        current_dir: environment.current_dir(bind.as_ref(), directory.as_ref()),
        stdin: validated
            .stdin
            .map_or(Stdin::Null, |text| Stdin::Bytes(text.into_bytes())),
        sandbox: environment.sandbox(&program, skill.limits, bind, plugins),
        program,
    };
    Ok(SandboxedCommand { spec, directory })
}

/// Each plugin's file, and where it is seen.
fn shown_plugins(directory: &Path) -> Vec<(PathBuf, PathBuf)> {
    let place = Path::new(PLUGINS);
    let plugins = tests_report::plugins();
    plugins
        .map(|name| (directory.join(name), place.join(name)))
        .collect()
}

/// Whether a directory belongs to the user that a sandboxed program is to the host: what is anybody
/// else's can be read through an overlay, and not changed.
fn is_the_programs(directory: &Path) -> bool {
    let owner = directory.metadata().map(|metadata| metadata.uid());
    owner.is_ok_and(|owner| owner == ProgramUser::here().number())
}

/// Whether a sandboxed program can look into a directory at all. What the gateway's own user cannot, it
/// could not copy either.
fn can_be_read(directory: &Path) -> bool {
    const EVERYBODY: u32 = 0o005;
    let is_open = |metadata: Metadata| metadata.mode() & EVERYBODY == EVERYBODY;
    ProgramUser::here() == ProgramUser::Own
        || is_the_programs(directory)
        || directory.metadata().is_ok_and(is_open)
}

/// A program with its arguments and what its skill adds to the environment.
struct Invoked {
    program: PathBuf,
    args: Vec<OsString>,
    variables: BTreeMap<String, String>,
}

impl SandboxEnvironment {
    fn can_overlay(&self) -> bool {
        self.sandbox.is_some() && self.has_overlay
    }

    fn invoke(&self, validated: &ValidatedCall) -> Result<Invoked, EnvironmentError> {
        match &validated.skill.run {
            Run::Command(command) => {
                let call = command.invocation.of(validated.workspace.as_ref());
                let call =
                    call.ok_or_else(|| EnvironmentError::NoProgram("of these tests".to_owned()))?;
                Ok(Invoked {
                    program: self.find(&call.program)?,
                    args: call.args.expand(&validated.arguments),
                    variables: command.environment.clone(),
                })
            }
            Run::Cli(cli) => {
                let name = || {
                    EnvironmentError::NoProgram(
                        "(a CLI with `tool`: CODEX_DRIVER=contract)".to_owned(),
                    )
                };
                let program = self.company_cli.clone().ok_or_else(name)?;
                let json = (validated.skill.result != ResultForm::Text).then(|| "--json".into());
                let own = [OsString::from("tool"), cli.skill.clone().into()];
                // Whatever follows it is no option, whatever it begins with.
                let own = own.into_iter().chain(json).chain(["--".into()]);
                Ok(Invoked {
                    program,
                    args: own.chain(cli.args.expand(&validated.arguments)).collect(),
                    variables: BTreeMap::new(),
                })
            }
            Run::Codex(_) => Err(EnvironmentError::NoProgram("of a turn".to_owned())),
        }
    }

    /// The file of a program.
    fn find(&self, reference: &ProgramReference) -> Result<PathBuf, EnvironmentError> {
        let (found, name) = match reference {
            ProgramReference::Absolute(path) => {
                let name = path.display().to_string();
                (Some(path.clone()), name)
            }
            ProgramReference::CodexPackage(name) => (self.packaged(name), name.clone()),
            ProgramReference::SearchPath(name) => {
                let mut candidates = self.program_directories().map(|path| path.join(name));
                (candidates.find(|path| path.is_file()), name.clone())
            }
        };
        found
            .filter(|path| path.is_file())
            .ok_or(EnvironmentError::NoProgram(name))
    }

    /// `…/vendor/TARGET/bin/codex` → `…/vendor/TARGET/codex-path/NAME`.
    fn packaged(&self, name: &str) -> Option<PathBuf> {
        let package = self.codex.ancestors().nth(2)?;
        Some(package.join("codex-path").join(name))
    }

    fn program_directories(&self) -> impl Iterator<Item = PathBuf> {
        let toolchains = self.read_paths.iter().map(|path| path.join("bin"));
        let system = SYSTEM_PROGRAM_DIRECTORIES.iter().map(PathBuf::from);
        toolchains.chain(system).filter(|path| path.is_dir())
    }

    /// Built from nothing.
    fn variables(
        &self,
        fixed: BTreeMap<String, String>,
        directory: Option<&RunDirectory>,
    ) -> BTreeMap<OsString, OsString> {
        let (home, temporary) = match (&self.sandbox, directory) {
            (None, Some(directory)) => (directory.home(), directory.temporary()),
            _ => (PathBuf::from(HOME), PathBuf::from(TEMPORARY)),
        };
        let mut variables: BTreeMap<OsString, OsString> = fixed
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let search_path = std::env::join_paths(self.program_directories());
        variables.insert("PATH".into(), search_path.unwrap_or_default());
        variables.insert("LANG".into(), "C.UTF-8".into());
        variables.insert("HOME".into(), home.into());
        variables.insert(run_directory::VARIABLE.into(), temporary.into());
        variables
    }

    fn current_dir(&self, bind: Option<&Bind>, directory: Option<&RunDirectory>) -> PathBuf {
        match (bind, &self.sandbox, directory) {
            (Some(bind), Some(_), _) => bind.target.clone(),
            (Some(bind), None, _) => bind.source.clone(),
            (None, None, Some(directory)) => directory.home(),
            (None, _, _) => HOME.into(),
        }
    }

    /// No network, no process but its own, no file but the system's, the toolchains and the workspace.
    fn sandbox(
        &self,
        program: &Path,
        limits: SkillLimits,
        bind: Option<Bind>,
        plugins: Option<&Path>,
    ) -> Sandbox {
        let Some(parts) = &self.sandbox else {
            return Sandbox::Off;
        };
        // The program's own package may lie in a toolchain's directory, which is shown whole.
        let in_toolchain =
            |path: &Path| self.read_paths.iter().any(|shown| path.starts_with(shown));
        let mut read_paths = runner::read_paths(program);
        read_paths.retain(|path| !in_toolchain(path));
        read_paths.extend(self.read_paths.iter().cloned());
        Sandbox::Bubblewrap(Box::new(BubblewrapSpec {
            tools: parts.tools.clone(),
            read_paths,
            hidden_paths: self.hidden_paths.clone(),
            private: PrivateDirectory {
                path: HOME.into(),
                directories: Vec::new(),
                files: plugins.map(shown_plugins).unwrap_or_default(),
                size_bytes: limits.scratch_bytes,
            },
            binds: bind.into_iter().collect(),
            handshake_dir: parts.handshake_dir.clone(),
            bridge_port: None,
            limits: limits.resources,
        }))
    }
}
