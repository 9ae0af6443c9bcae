//! `docs/settings.md`, from the table and the defaults. A test holds the committed file to it.

use super::file;
use super::names::LATER_VARIABLES;
use super::table::{SETTINGS, Setting};

const INTRODUCTION: &str = "\
# Settings

Generated from the table of settings; `UPDATE_DOCS=1 cargo test -p gateway config` writes it anew.

Defaults come first, then the file named by `PORTCULLIS_CONFIG`, then the environment, then the
command line (`serve --demo`); the last to speak wins. An empty variable counts as not set. Lists
are comma-separated in a variable and arrays of strings in the file. Relative paths start at the
directory in which the gateway is started. `portcullis config print` shows each value and who said
it, secrets masked; `portcullis config check` exits non-zero when one is wrong, and names all that
are.
";

/// The reference of every setting, a table a section.
pub fn render_settings_markdown() -> String {
    let mut document = INTRODUCTION.to_owned();
    let mut section = "";
    for setting in SETTINGS {
        if setting.section() != section {
            section = setting.section();
            document.push_str(&format_section(section));
        }
        document.push_str(&format_row(setting));
    }
    document.push_str(&format_later());
    document
}

fn format_section(section: &str) -> String {
    format!(
        "\n## `[{section}]`\n\n\
         | key | variable | default | values | |\n\
         |---|---|---|---|---|\n"
    )
}

fn format_row(setting: &Setting) -> String {
    let key = setting.path.rsplit('.').next().unwrap_or(setting.path);
    let (key, variable) = match setting.file_variable() {
        Some(file_variable) => (
            format!("`{key}` or `{key}_file`"),
            format!("`{}` or `{file_variable}`", setting.variable),
        ),
        None => (format!("`{key}`"), format!("`{}`", setting.variable)),
    };
    let default = match file::default_as_written(setting.path) {
        Some(written) => format!("`{written}`"),
        None => "–".to_owned(),
    };
    let values = setting.kind.describe();
    let help = setting.help;
    format!("| {key} | {variable} | {default} | {values} | {help} |\n")
}

fn format_later() -> String {
    let names: Vec<String> = LATER_VARIABLES
        .iter()
        .map(|(name, harmless)| match harmless {
            [] => format!("`{name}`"),
            values => format!("`{name}` (but for {})", values.join(", ")),
        })
        .collect();
    format!(
        "\n## Not in this version\n\n\
         {} belong to later versions. They are refused rather than ignored: what they would \
         protect is not protected yet.\n",
        names.join(", ")
    )
}
